"""Arguments and options that several verbs share, so that each has one meaning everywhere."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from bench.commands.output import set_level

SuiteArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUITE", help="A suite file, the name of a suite such as demo, or its results folder."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder of images; overrides the suite's."),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", metavar="DIR", help="Folder of pretrained weights; overrides the suite's."),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="DEVICES",
        help="Devices to use: all, gpu:0,gpu:1, cpu, or cpu:2 for two trials at a time; overrides the "
        "suite's.",
    ),
]
ResultsOption = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Folder where results are kept.")
]
OnlyOption = Annotated[
    str | None,
    typer.Option("--only", metavar="PATTERN", help="Use only trials whose id matches, such as 'vgg*'."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="DIR", help="Write to this folder."),
]
FreshOption = Annotated[
    bool,
    typer.Option("--fresh", help="Ignore what is recorded: run everything again, as new attempts."),
]
ChangeOption = Annotated[
    float,
    typer.Option("--change", metavar="PERCENT", help="Smallest effect on a time that counts."),
]
MarginOption = Annotated[
    float,
    typer.Option(
        "--margin", metavar="POINTS", help="Margin of equivalence: accuracies this close count as equal."
    ),
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option("--engine", help="Run trials on this machine, or on the nodes of a Ray cluster."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Head node of the Ray cluster; without it one is started on this machine.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print results and errors only, no progress or notes.")
]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Print more: phases of trials, and where an error was raised.")
]
DEFAULT_RESULTS = Path("results")
DEFAULT_CHANGE, DEFAULT_MARGIN = 5.0, 2.0


LISTS = ("--versions",)
"""Options that take all values up to the next option."""


class Verb(TyperCommand):
    """A command in which `--versions 2.20 2.21` means what `--versions 2.20 --versions 2.21` does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spread the values of lists, then parse as usual."""
        return super().parse_args(ctx, spread(args))


def spread(arguments: Sequence[str]) -> list[str]:
    """The arguments with an option of `LISTS` before each of its values."""
    found: list[str] = []
    current = ""
    for argument in arguments:
        if argument.startswith("-"):
            name = argument.partition("=")[0]
            current = name if name in LISTS else ""
        elif current and found[-1] != current:
            found.append(current)
        found.append(argument)
    return found


def add_verb(app: typer.Typer, verb: Callable[..., int | None], name: str | None = None) -> None:
    """Add a verb to the command line, with the options `--quiet` and `--verbose` that every verb has.

    A parameter whose type is a dataclass stands for one option for each of its fields.
    """

    @wraps(verb)
    def run(*, quiet: bool, verbose: bool, **options: Any) -> int | None:
        set_level(quiet, verbose)
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in fields(group)})
        return verb(**options)

    kind = inspect.Parameter.KEYWORD_ONLY
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(verb).parameters.values():
        if is_dataclass(one.annotation):
            assert isinstance(one.annotation, type)
            groups[one.name] = one.annotation
            parameters += inspect.signature(one.annotation).parameters.values()
        else:
            parameters.append(one)
    parameters.append(inspect.Parameter("quiet", kind, default=False, annotation=QuietOption))
    parameters.append(inspect.Parameter("verbose", kind, default=False, annotation=VerboseOption))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.command(name, cls=Verb)(run)
