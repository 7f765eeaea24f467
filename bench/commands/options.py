"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

SuiteArgument = Annotated[
    Path, typer.Argument(metavar="SUITE", help="A suite file, such as suites/demo.toml.")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of images; overrides path of [data].")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="DIR", help="Folder of pretrained weights; overrides path of [weights]."
    ),
]
DevicesOption = Annotated[
    str | None,
    typer.Option(
        "--devices", metavar="DEVICES", help="all, gpu:0,gpu:1, cpu, or cpu:2 for two trials at a time."
    ),
]
ResultsOption = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where results are kept.")]
OnlyOption = Annotated[
    str | None,
    typer.Option("--only", metavar="PATTERN", help="Only trials whose id matches, such as 'vgg*'."),
]
DEFAULT_RESULTS = Path("results")
