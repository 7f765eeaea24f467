"""What a verb is asked to work on: a suite file, the name of a suite or a results folder, all alike."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

from bench.errors import InputError, command
from wbc.errors import nearest
from wbc.files import plain_letters


@dataclass(frozen=True)
class Target:
    """A suite and its results."""

    text: str
    """As the user gave it."""
    results: Path
    """The results folder that has, or will have, results of the suite."""
    suite: Path | None
    """The suite's file; None where the user gave its results."""
    known_name: str = ""
    """Of the suite, where the user gave its results."""

    @cached_property
    def name(self) -> str:
        """Name of the suite.

        Raises:
            InputError: The suite file is wrong.
        """
        from bench.suite.file import load_suite, name_of

        return name_of(*load_suite(self.suite)) if self.suite else self.known_name

    @property
    def folder(self) -> Path:
        """Results of the suite; they need not be there yet."""
        return self.results / self.name

    def require_suite(self) -> Path:
        """The suite's file; of results, the file that their last run was started with.

        Raises:
            InputError: That file is not known or not there any more.
        """
        from bench.journal.results import SuiteResults
        from bench.journal.runs import suite_file_of

        suite = self.suite or suite_file_of(SuiteResults(self.results, self.name))
        if suite is None:
            raise InputError(
                f"{self.text} holds results, but their suite file is not known or no longer there",
                "Give the suite file instead.",
            )
        return suite


def find_target(text: str, results: Path) -> Target:
    """Find out what a user means.

    Looked for in this order: a folder, a file, a suite that comes with leukobench, results of this name.

    Args:
        text: `suites/demo.toml`, `demo` or `results/demo`.
        results: The results folder, for the name of a suite.

    Raises:
        InputError: There is nothing of that name.
    """
    from bench.suite.file import find_shipped, usable

    try:
        given = usable(Path(text).expanduser())
    except RuntimeError:
        raise InputError(f"{text} cannot be found", "There is no such user.") from None
    if given.is_dir():
        return _in_folder(text, given)
    bare = given.name == text and not given.suffix
    named = given.with_suffix(".toml") if bare and not given.is_file() else given
    file = named if named.is_file() else find_shipped(given)
    if file.exists() or file.suffix == ".toml":
        return Target(text, results, file)
    if bare and (results / text / "trials").is_dir():
        return Target(text, results, None, text)
    raise _unknown(given, results)


def choose_ids(ids: Iterable[str], only: str | None) -> list[str]:
    """The trials whose ids match `--only`; all of them without it.

    Raises:
        InputError: None does.
    """
    from bench.plan.decide import matches

    every = list(ids)
    chosen = [one for one in every if only is None or matches(one, only)]
    if every and not chosen:
        raise InputError(f"no trial matches --only {only}", f"The first trial is {every[0]}.")
    return chosen


def short_name(text: str) -> str:
    """What a user gave, as a part of the name of a folder."""
    parts = [part for part in re.split(r"[^A-Za-z0-9.+]+", plain_letters(text)) if part.strip(".")]
    return "-".join(parts[-3:])[-60:] or "side"


def _in_folder(text: str, folder: Path) -> Target:
    whole = folder.resolve()
    if (whole / "trials").is_dir():
        return Target(text, folder.parent if folder.name == whole.name else whole.parent, None, whole.name)
    inside = sorted(path.parent.name for path in whole.glob("*/trials"))
    if len(inside) == 1:
        return Target(text, folder, None, inside[0])
    raise InputError(
        f"{folder} holds no trials, so it is no results folder of a suite",
        f"It holds results of {', '.join(inside)}: give one of them."
        if inside
        else "Give a suite file, the name of a suite, or a folder such as results/demo. If it holds images, "
        f"{command()} init {quote(text)} writes a suite for them.",
    )


def _unknown(given: Path, results: Path) -> InputError:
    """What to say of a name that is neither a suite nor results."""
    from bench.suite.file import shipped_suites

    known = {other.stem: str(other) for other in sorted(given.parent.glob("*.toml"))}
    known |= {other.parent.name: str(other.parent) for other in sorted(given.parent.glob("*/trials"))}
    if given.parent == Path():
        known |= {name: name for name in shipped_suites()}
        known |= {other.parent.name: other.parent.name for other in sorted(results.glob("*/trials"))}
    near = nearest(given.stem, list(known))
    hint = f"did you mean {known[near]}?" if near else ""
    return InputError(
        f"there is neither a folder nor a suite {given}",
        hint or f"Suites that come with leukobench: {', '.join(shipped_suites())}.",
    )
