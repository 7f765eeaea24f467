"""The directive `command-line`: a section for each command, from the program itself."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command


class CommandLine(SphinxDirective):
    """Describe every command with its arguments and options."""

    def run(self) -> list[nodes.Node]:
        """Write the sections as Markdown, and have them parsed like the rest of the page."""
        from bench.commands.main import app

        program = get_command(app)
        text = "\n\n".join(section for command in commands(program) for section in command)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def commands(command: Any, path: str = "leukobench") -> list[list[str]]:
    """The sections of a command and, where it is a group, of those in it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [section(command, path)]
    own = [section(command, path)] if path == "leukobench" else []
    return own + [
        part for name, one in inner.items() if not one.hidden for part in commands(one, f"{path} {name}")
    ]


def section(command: Any, path: str) -> list[str]:
    """Heading, usage, help, and tables of a command."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    words = [path, *(_placeholder(one) for one in arguments), "[OPTIONS]" if options else ""]
    if hasattr(command, "commands"):
        words.append("COMMAND")
    text = [f"## {path}", f"```text\n{' '.join(word for word in words if word)}\n```"]
    if command.help:
        text += [_paragraphs(command.help)]
    rows = [(f"`{_placeholder(one)}`".replace("|", "\\|"), one.help or "") for one in arguments]
    rows += [(_spelled(one), _explained(one)) for one in options]
    if rows:
        text.append(
            "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {_escaped(said)} |" for name, said in rows)])
        )
    return text


def _placeholder(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper().strip("[]")
    return name if argument.required else f"[{name}]"


def _spelled(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.metavar or option.name.split('_')[-1].upper()}"
    return f"`{names}{value}`".replace("|", "\\|")


def _explained(option: Any) -> str:
    text = option.help or ""
    if option.is_flag or option.default in (None, "", ()) or callable(option.default):
        return text
    return f"{text} Default: {getattr(option.default, 'value', option.default)}."


def _paragraphs(text: str) -> str:
    return "\n\n".join(
        " ".join(_escaped(part).split()) for part in text.replace("\b", "").strip().split("\n\n")
    )


def _escaped(text: str) -> str:
    """Text in which no character means anything to Markdown."""
    return "".join(f"\\{one}" if one in "\\*_<>[]|#{}" else one for one in text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
