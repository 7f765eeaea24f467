"""What a verb is asked to work on: a suite file, the name of a suite or a results folder, all alike."""

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import InputError
from wbc.errors import nearest


@dataclass(frozen=True)
class Target:
    """A suite, its results, or both."""

    text: str
    """As the user gave it."""
    name: str
    """Of the suite."""
    folder: Path
    """Results of the suite, which need not be there yet: `<results>/<name>`."""
    suite: Path | None
    """Its file; None where that is not known."""

    def require_suite(self) -> Path:
        """The suite's file.

        Raises:
            InputError: Only results are known, or their suite file has been moved.
        """
        if self.suite is None:
            raise InputError(
                f"{self.text} holds results, but the suite file that made them is not known or not there",
                "Give the suite file instead.",
            )
        return self.suite


def find_target(text: str, results: Path) -> Target:
    """Find out what a user means.

    A folder with results comes first, then a file, then a suite that comes with leukobench, then results of
    that name below the results folder.

    Args:
        text: `suites/demo.toml`, `demo` or `results/demo`.
        results: The results folder, for the name of a suite.

    Raises:
        InputError: There is nothing of that name, or the suite file is wrong.
    """
    from bench.suite.resolve import name_of_suite
    from bench.suite.shipped import find_shipped

    given = Path(text).expanduser()
    if given.is_dir():
        return _in_folder(text, given)
    file = find_shipped(given)
    if file.is_file():
        name = name_of_suite(file)
        return Target(text, name, results / name, file)
    if given.name == text and (results / text / "trials").is_dir():
        return _in_folder(text, results / text)
    raise _unknown(given, results)


def short_name(text: str) -> str:
    """What a user gave, as a part of the name of a folder."""
    parts = [part for part in re.split(r"[^A-Za-z0-9.+]+", text) if part.strip(".")]
    return "-".join(parts[-3:])[-60:] or "side"


def _in_folder(text: str, folder: Path) -> Target:
    whole = folder.resolve()
    if not (whole / "trials").is_dir():
        inside = sorted(path.parent.name for path in whole.glob("*/trials"))
        if len(inside) == 1:
            return _in_folder(text, folder / inside[0])
        raise InputError(
            f"{folder} holds no trials, so it is no results folder of a suite",
            f"It holds results of {', '.join(inside)}: give one of them."
            if inside
            else "Give a suite file, the name of a suite, or a folder such as results/demo.",
        )
    return Target(text, whole.name, folder, _suite_file_of(folder))


def _suite_file_of(folder: Path) -> Path | None:
    """The suite file that the last run of these results was started with, where it is still there."""
    from bench.journal.results import SuiteResults
    from bench.journal.runs import runs_file
    from bench.worker.jsonl import read_events

    events = read_events(runs_file(SuiteResults(folder.parent, folder.name)))
    paths = [str(event["path"]) for event in events if event["event"] == "run_started" and event.get("path")]
    return Path(paths[-1]) if paths and Path(paths[-1]).is_file() else None


def _unknown(given: Path, results: Path) -> InputError:
    """What to say of a name that is neither a suite nor results."""
    from bench.suite.shipped import shipped_suites

    known = {other.stem: str(other) for other in sorted(given.parent.glob("*.toml"))}
    known |= {other.parent.name: str(other.parent) for other in sorted(given.parent.glob("*/trials"))}
    if given.parent == Path():
        known |= {name: name for name in shipped_suites()}
        known |= {other.parent.name: other.parent.name for other in sorted(results.glob("*/trials"))}
    near = nearest(given.stem, list(known))
    hint = f"did you mean {known[near]}?" if near else ""
    return InputError(
        f"there is neither a suite nor a results folder {given}",
        hint or f"Suites that come with leukobench: {', '.join(shipped_suites())}.",
    )
