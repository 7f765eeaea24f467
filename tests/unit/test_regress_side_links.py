"""What the workers of both sides really get: variables, arguments and paths, read from their own processes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from regress_equipment import a_trial

from bench.devices.device import Device, Slot
from bench.journal.results import SuiteResults
from bench.regress.side_links import PADDING, SideLinks
from bench.regress.sides import Code, Side
from bench.runner.local import LocalOtherUsers
from bench.trials.sampling import TelemetrySettings

SLOT = Slot("cpu:0", (Device("cpu", "A processor"),), (0,))
WORKER = """
import json, os, sys
from pathlib import Path
attempt = Path(sys.argv[1])
found = {
    "variables": Path("/proc/self/environ").read_text().split(chr(0)),
    "arguments": Path("/proc/self/cmdline").read_text().split(chr(0)),
    "folder": os.getcwd(),
    "prefix": sys.prefix,
    "attempt": str(attempt),
    "wbc": __file__,
}
(attempt / "found.json").write_text(json.dumps(found))
"""


def a_side(folder: Path, name: str, digits: str, environment: str | None) -> Side:
    """A side whose worker writes down what it got."""
    code = folder / "cache" / "code" / digits
    (code / "bench" / "worker").mkdir(parents=True)
    for module in ("bench/__init__.py", "bench/worker/__init__.py"):
        (code / module).touch()
    (code / "bench" / "worker" / "__main__.py").write_text(WORKER)
    python = Path(sys.executable)
    if environment:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / environment], check=True)
        python = folder / environment / "bin" / "python"
    return Side(name, name, python, Code(code, name, "hash"), "3.11", {})


def found_by(side: Side, turn: SideLinks, results: SuiteResults, number: int) -> dict:
    for _ in range(number):
        attempt = results.new_attempt(a_trial())
    engine = turn.engine(side, SLOT, LocalOtherUsers(None, 0, print), TelemetrySettings(enabled=False))
    worker = engine.start(attempt, SLOT)
    until = time.monotonic() + 30
    while not worker.reap() and time.monotonic() < until:
        time.sleep(0.02)
    return json.loads((attempt.folder / "found.json").read_text())


def sizes(found: dict) -> dict[str, int]:
    return {name: len(value) for name, _, value in (one.partition("=") for one in found["variables"])}


@pytest.mark.parametrize("environments", [("environments/new", "a/longer/path/of/another"), (None, "new")])
def test_both_sides_have_the_same_place_and_an_environment_of_one_size(tmp_path: Path, environments):
    sides = [
        a_side(tmp_path, name, digits * 16, environment)
        for name, digits, environment in zip(("baseline", "candidate"), "ab", environments, strict=True)
    ]
    folder = tmp_path / "regress" / "mine"
    turn = SideLinks(folder, sides)
    # After nine attempts the numbers of one side have a digit more.
    old, new = (
        found_by(side, turn, SuiteResults(folder, side.name), number)
        for side, number in zip(sides, (10, 1), strict=True)
    )
    for name in ("folder", "prefix", "attempt", "arguments"):
        assert old[name] == new[name]
    assert old["attempt"] == str(folder / "turn" / "1" / "attempt")
    assert sizes(old) == sizes(new) and PADDING in sizes(old)
    assert (old["wbc"], new["wbc"]) == tuple(f"{side.code.folder}/bench/worker/__main__.py" for side in sides)


def test_an_interpreter_without_an_environment_is_made_up_for(tmp_path: Path):
    sides = [a_side(tmp_path, "baseline", "a" * 16, "new"), a_side(tmp_path, "candidate", "b" * 16, None)]
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    sides[1] = Side("candidate", "", wrapper, sides[1].code, "3.11", {})
    folder = tmp_path / "regress" / "mine"
    turn = SideLinks(folder, sides)
    engines = [turn.engine(side, SLOT, None, TelemetrySettings()) for side in sides]
    assert engines[0].python != engines[1].python == str(wrapper)
    old, new = ([*one.environment.values(), one.python] for one in engines)
    assert len("".join(old)) == len("".join(new))


def test_without_links_attempts_keep_their_paths(tmp_path: Path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    side = a_side(tmp_path, "baseline", "a" * 16, "new")
    turn = SideLinks(tmp_path, [side])
    assert turn.interpreter(side) == str(side.interpreter)
    assert turn.attempt(tmp_path / "attempt-1") == tmp_path / "attempt-1"
