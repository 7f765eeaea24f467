"""Every verb that reads results, with every kind of damage: it costs what it touches, and is told once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import InProcess
from equipment.attempts import write_suite
from equipment.suites import FEW_CELLS

from bench.journal.results import Attempt, SuiteResults

SUITE = "kept"
SUITE_FILE = (
    FEW_CELLS
    + f"""
[suite]
name = "{SUITE}"

[[matrix]]
mode = "classical"
backbone = "KNN"
"""
)


def _garbage(name: str, content: bytes = b"\x00\xff garbage\n") -> Callable[[Attempt], Path]:
    def damage(attempt: Attempt) -> Path:
        (attempt.folder / name).write_bytes(content)
        return attempt.folder / name

    return damage


def _cut(name: str) -> Callable[[Attempt], Path]:
    def damage(attempt: Attempt) -> Path:
        content = (attempt.folder / name).read_bytes()
        (attempt.folder / name).write_bytes(content[: len(content) // 2])
        return attempt.folder / name

    return damage


def _folder(name: str) -> Callable[[Attempt], Path]:
    def damage(attempt: Attempt) -> Path:
        (attempt.folder / name).unlink()
        (attempt.folder / name).mkdir()
        return attempt.folder / name

    return damage


def _line(name: str, line: bytes) -> Callable[[Attempt], Path]:
    def damage(attempt: Attempt) -> Path:
        first, *others = (attempt.folder / name).read_bytes().split(b"\n")
        (attempt.folder / name).write_bytes(b"\n".join([first, line, *others]))
        return attempt.folder / name

    return damage


def _stray(attempt: Attempt) -> Path:
    (attempt.folder.parent.parent / ".DS_Store").write_bytes(b"\xff")
    return attempt.folder.parent.parent / ".DS_Store"


def _copy(attempt: Attempt) -> Path:
    shutil.copytree(attempt.folder, attempt.folder.parent / "attempt-1 (copy)")
    return attempt.folder.parent / "attempt-1 (copy)"


DAMAGE = {
    "records": (
        _garbage("result.json"),
        _cut("result.json"),
        _garbage("result.json", b""),
        _folder("result.json"),
    ),
    "predictions": (
        _garbage("predictions.csv"),
        _cut("predictions.csv"),
        _garbage("predictions.csv", b""),
        _folder("predictions.csv"),
    ),
    "journals": (
        _line("events.jsonl", b'{"t": 1, "cpu": 1, "event": "ep'),
        _line("events.jsonl", bytes(40)),
        _line("runner.jsonl", b"\xff\xfe"),
        _line("runner.jsonl", b"null"),
    ),
    "others": (_garbage("trial.json"), _garbage("worker.log", b"\xff\xfe\x00" * 1000)),
    "strays": (_stray, _copy),
}
"""Each one befalls an attempt of its own; one attempt stays as it was."""

VERBS = {
    "report": ("report", "{folder}"),
    "report all": ("report", "--all"),
    "compare": ("compare", "{whole}", "{folder}"),
    "compare other way": ("compare", "{folder}", "{whole}"),
    "baseline save": ("baseline", "save", "kept", "{folder}"),
    "plan": ("plan", "{suite}"),
    "sync": ("sync",),
}

UNTOLD = {
    "report all": DAMAGE.keys(),  # each suite's own report tells
    "plan": {"records", "predictions", "others"},  # of trials that the suite does not have
    "sync": {"predictions", "others"},
    **{verb: {"others"} for verb in ("report", "compare", "compare other way", "baseline save")},
}
"""What a verb does not read, or leaves to another one."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Undamaged results of five trials, sent to MLflow."""
    inside = InProcess(tmp_path_factory.mktemp("whole"))
    write_suite(SuiteResults(inside.results, SUITE), trials=5, epochs=3)
    assert inside("sync").returncode == 0
    return inside.results


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_costs_what_it_touches_and_is_told_once(
    inside: InProcess, whole: Path, damage: str, verb: str
):
    shutil.copytree(whole, inside.results)
    results = SuiteResults(inside.results, SUITE)
    damaged = [harm(one) for harm, one in zip(DAMAGE[damage], results.all_attempts(), strict=False)]
    suite = inside.folder / f"{SUITE}.toml"
    suite.write_text(SUITE_FILE)
    places = {"folder": results.folder, "whole": whole / SUITE, "suite": suite}
    done = inside(*(word.format(**places) for word in VERBS[verb]), COLUMNS="1000")
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert done.returncode in ((0, 3, 4) if verb.startswith("compare") else (0,)), said
    if (damage, verb) == ("records", "report"):
        assert said.count("the record of attempt 1 is damaged") == 4  # beside the name of the trial
    elif damage not in UNTOLD.get(verb, ()):
        named = [path.parent if (damage, verb) == ("records", "sync") else path for path in damaged]
        assert said.count(f"{named[0]}") == 1, said
        assert all(said.count(f"{path}") <= 1 for path in named)


def test_a_baseline_that_is_damaged_is_named(inside: InProcess, whole: Path):
    shutil.copytree(whole, inside.results)
    assert inside("baseline", "save", "first", inside.results / SUITE).returncode == 0
    (damaged,) = inside.results.glob("baselines/first/baseline.json")
    damaged.write_text("{")
    listed = inside("baseline", "list")
    assert listed.returncode == 0
    assert "baselines/first" in listed.stderr and "Save it again" in listed.stderr
    shown = inside("baseline", "show", "first")
    assert shown.returncode == 2
    assert f"{damaged} is damaged" in shown.stderr


def test_records_of_a_baseline_are_left_out_one_by_one(inside: InProcess, whole: Path):
    shutil.copytree(whole, inside.results)
    assert inside("baseline", "save", "first", inside.results / SUITE).returncode == 0
    damaged = min(inside.results.glob("baselines/first/trials/*/attempt-1/result.json"))
    damaged.write_text("garbage")
    shown = inside("baseline", "show", "first", COLUMNS="1000")
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr.count(str(damaged)) == 1


def test_where_nothing_can_be_read_that_is_the_error(inside: InProcess, whole: Path):
    shutil.copytree(whole, inside.results)
    results = SuiteResults(inside.results, SUITE)
    for attempt in results.all_attempts():
        attempt.result.write_text("garbage")
    done = inside("compare", results.folder, whole / SUITE)
    assert done.returncode == 2
    assert "has no attempt that can be read" in done.stderr
