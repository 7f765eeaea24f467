"""`data prepare|check|show|bccd|fetch|synth`: make, check and look at data sets."""

import typer

from bench.commands.data.check import check
from bench.commands.data.prepare import prepare
from bench.commands.data.sets import bccd, fetch, show, synth
from bench.commands.options import add_verb

app = typer.Typer(no_args_is_help=True, help="Make, check and look at data sets.")
for verb in (prepare, check, show, bccd, fetch, synth):
    add_verb(app, verb)
