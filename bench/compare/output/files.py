"""All files of a verdict."""

import json
from pathlib import Path

from bench.compare.output.document import document
from bench.compare.output.junit import junit
from bench.compare.output.markdown import markdown
from bench.compare.output.page import page
from bench.compare.verdict import Verdict
from bench.worker.files import write_text

JSON, JUNIT, MARKDOWN, HTML = "regression.json", "junit.xml", "summary.md", "regression.html"


def write_verdict(verdict: Verdict, folder: Path) -> list[Path]:
    """Write a verdict as JSON, JUnit XML, Markdown and HTML; every file appears whole.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        JSON: json.dumps(document(verdict), indent=1, allow_nan=False) + "\n",
        JUNIT: junit(verdict),
        MARKDOWN: markdown(verdict),
        HTML: page(verdict),
    }
    written = []
    for name, text in contents.items():
        path = folder / name
        write_text(path, text)
        written.append(path)
    return written
