"""Settings of the documentation, built by `make docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent), str(HERE.parent / "src")]

from bench import __version__  # noqa: E402

project = "Leukobench"
author = "The authors of Leukobench"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "command_line"]

default_role = "code"  # of single backticks in docstrings
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
"""Links to headings are checked as well."""

smartquotes = False  # it would make one dash of the two of an option

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"Leukobench {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = html_show_sphinx = False
