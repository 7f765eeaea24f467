"""Versions in turn: each is compared with the one before it, then all together make a history."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from bench.compare.output.files import write_verdict
from bench.compare.steps import History, among
from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.regress.environments import Environments
from bench.regress.kept import history_of, read_kept
from bench.regress.session import RegressRequest, Speaker, name_of
from bench.regress.side_request import SideRequest, check_requirement, make_chain, of_version
from bench.regress.sides import Side, SideName
from bench.regress.verdict import run_regress
from bench.runner.signals import interruptible
from bench.suite.resolve import ResolvedSuite, resolve_suite
from bench.trials.layout import CACHE, ENVIRONMENTS, HISTORY, REGRESS

REVISION = "revision:"
"""Begins the name of a git revision of leukobench."""

_SPACED = re.compile(r"\s*(===|==|~=|!=|>=|<=|>|<|,|@)\s*")
_PACKAGES = (".whl", ".tar.gz", ".zip")


@dataclass(frozen=True)
class VersionsOutcome:
    """What versions in turn come to."""

    history: History
    folder: Path
    """Where the page goes."""


def parse_version(text: str) -> SideRequest:
    """What is asked for by one element of a list of versions.

    Args:
        text: One or more of these, with spaces between them: a version of TensorFlow (`2.19`, the newest of its
            patches, or `2.19.1`), a requirement as `pip` takes it, a folder or a wheel, an interpreter, or
            `revision:REV`.

    Raises:
        InputError: It cannot be meant.
    """
    requirements: list[str] = []
    python: Path | None = None
    revision: str | None = None
    words = _SPACED.sub(r"\1", text).split()
    if not words:
        raise InputError("a version of --versions is empty", "Give it a value, or leave it out.")
    for word in words:
        path = Path(word).expanduser()
        if word.startswith(REVISION):
            revision = word.removeprefix(REVISION)
            if not revision:
                raise InputError(f"{word!r} in --versions names no revision", "Write it as revision:v1.2.")
        elif (requirement := of_version(word)) != word:
            requirements.append(requirement)
        elif path.is_file() and not word.endswith(_PACKAGES) and os.access(path, os.X_OK):
            python = path
        elif (os.sep in word or word.endswith(_PACKAGES)) and "@" not in word and "://" not in word:
            if not path.exists():
                raise InputError(
                    f"there is nothing at {word}, which --versions names", "Give a folder or a wheel."
                )
            requirements.append(str(path.absolute()))
        else:
            check_requirement(word, "--versions")
            requirements.append(word)
    if python and requirements:
        raise InputError(
            f"{python} in --versions is an interpreter, into which nothing is installed",
            f"Give it alone, or leave it out and ask for {requirements[0]}.",
        )
    return SideRequest(requirements[0] if requirements else None, tuple(requirements[1:]), python, revision)


def parse_versions(texts: Sequence[str]) -> list[SideRequest]:
    """All elements of a list of versions; see `parse_version`.

    Raises:
        InputError: There are fewer than two, or one stands there twice.
    """
    requests = [parse_version(text) for text in texts]
    labels = [one.label for one in requests]
    if len(labels) < 2:
        raise InputError(
            "--versions has a single version", "Give two or more, oldest first: --versions 2.20 2.21."
        )
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise InputError(f"--versions has {twice} twice", "Give each version once, oldest first.")
    return requests


def run_versions(request: RegressRequest, texts: Sequence[str], speaker: Speaker) -> VersionsOutcome:
    """Compare each version with the one before it. What was measured before is not measured again.

    Each version has one environment in all comparisons. `budget_s` is for each pair of neighbors.

    Args:
        request: What is asked for besides the sides.
        texts: See `parse_version`; oldest first.
        speaker: Is told the progress.

    Raises:
        InputError: The input is wrong, or an environment cannot be made. No trial was started.
        ResultsError: The results folder, or a device, cannot be used.
        InterruptedRun: A signal came; finished pairs are kept.
    """
    versions = parse_versions(texts)
    neighbors = list(pairwise(versions))
    asked = [
        replace(
            request,
            baseline=old,
            candidate=new,
            whole_budget=True,
            thresholds=among(request.thresholds, len(neighbors)),
        )
        for old, new in neighbors
    ]
    for one in asked:
        one.check()
    suite, sides = _make(request, versions, speaker)
    kept = []
    for number, (one, (old, new)) in enumerate(zip(asked, pairwise(sides), strict=True), start=1):
        speaker.say(f"{number} of {len(asked)}: {old.label} against {new.label}")
        made: dict[SideName, Side] = {
            "baseline": replace(old, name="baseline"),
            "candidate": replace(new, name="candidate"),
        }
        named = replace(one, name=name_of(request.name or suite.name, one.sides))
        outcome = run_regress(named, speaker, made)
        write_verdict(outcome.verdict, outcome.folder)
        found = read_kept(outcome.folder)
        if found is None:
            raise InputError(
                f"{old.label} against {new.label} ended without a pair, so the versions make no line",
                f"The trials say why in {outcome.folder}. Mend it and repeat the command: the rest is kept.",
            )
        kept.append(found)
    history = history_of(suite.name, kept, request.thresholds)
    return VersionsOutcome(history, request.results / HISTORY / (request.name or suite.name))


def _make(
    request: RegressRequest, versions: Sequence[SideRequest], speaker: Speaker
) -> tuple[ResolvedSuite, list[Side]]:
    """The suite and all sides, before anything runs."""
    home = request.results
    suite = resolve_suite(
        request.suite, home / CACHE, request.devices, request.data, request.weights, request.only
    )
    environments = Environments(request.environments or home / ENVIRONMENTS, speaker.say, request.python)
    with interruptible(), SuiteResults(home, REGRESS).lock():
        sides = make_chain(
            [("candidate" if number else "baseline", version) for number, version in enumerate(versions)],
            environments,
            home / CACHE,
            suite.chosen,
            suite.devices.slots[0].kind == "gpu",
            [f"version {version.label}" for version in versions],
        )
    return suite, sides
