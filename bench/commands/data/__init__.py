"""`data ...`: make, check and look at data sets; a file a verb."""

import typer

from bench.commands.data.bccd import bccd
from bench.commands.data.check import check
from bench.commands.data.prepare import prepare
from bench.commands.data.show import show
from bench.commands.data.synth import synth

app = typer.Typer(no_args_is_help=True, help="Make, check and look at data sets.")
for verb in (prepare, check, show, bccd, synth):
    app.command()(verb)
