"""Fill in the templates of this folder. Every value is escaped, unless it is `Markup`."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from wbc.files import whole_path

__all__ = ["Markup", "asset", "macros", "render", "write_page"]


def render(template: str, **values: Any) -> str:
    """The page that a template makes of values.

    Args:
        template: Name of its file, without `.html.jinja`.
        values: What the template reads. One that it reads and that is missing here is an error.
    """
    return _template(template).render(values)


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write the page that a template makes of values. It is never in memory as a whole."""
    with whole_path(path) as partial, partial.open("w", encoding="utf-8", errors="replace") as file:
        file.writelines(_template(template).generate(values))


def macros(template: str) -> Any:
    """The macros of a template, as functions."""
    return _template(template).module


def asset(name: str) -> Markup:
    """A style sheet or a script of this package. It goes into a page as it is."""
    return Markup(_text(name))


@cache
def _text(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.html.jinja")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # `tojson` escapes what could end a script element. A page would not read NaN.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment
