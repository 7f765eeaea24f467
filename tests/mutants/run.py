"""`make mutants`: do the unit tests notice small defects? Writes results/mutants.md.

Each defect is planted in a copy of the code, and the unit tests that reach its line run there, the quickest first,
until one fails. What was tried is kept in build/mutants, so an interrupted run goes on where it stopped.
Survivors that change nothing stand in equivalent.toml beside this file, each with its reason.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE.parent)]

from mutants.planting import Mutant, changed_lines, modules, places_of, runs_at_import, sample  # noqa: E402
from mutants.reach import Reach, measure  # noqa: E402
from mutants.warm import Copy  # noqa: E402

WORK = REPOSITORY / "build" / "mutants"
PAGE = REPOSITORY / "results" / "mutants.md"
MOST_S = 60.0
"""Of all tests that run against one mutant, as long as they take without it."""
OF_ALL, OF_A_ROOM = 0.9, 0.8
"""Shares that are to be noticed."""
START_S = 30
"""What the start of pytest may take, of the processor."""

NOT_FOUND = int(pytest.ExitCode.USAGE_ERROR)

Outcomes = dict[str, str]
"""Mutant, by its name -> `noticed`, `survived`, `unreached`."""


def main() -> int:
    """Try what is not tried yet; 1 where too many survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=600, help="how many (600)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="begin no mutant after so many minutes"
    )
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--changed", metavar="COMMIT", help="only lines that differ from this commit")
    parser.add_argument("--only", default="", help="only modules whose path has this in it")
    asked = parser.parse_args()
    folders = [fresh_copy(WORK / f"copy-{number}") for number in range(asked.jobs)]
    copies = [Copy(folder, environment_in(folder)) for folder in folders]
    reach = measure(copies, WORK / "reach")
    chosen = choose(asked)
    kept = WORK / "outcomes.jsonl"
    outcomes = known_outcomes(kept)
    waiting = [one for one in chosen if outcomes.get(key_of(one)) != "noticed"]
    print(f"{len(chosen)} mutants, {len(chosen) - len(waiting)} of them noticed before")
    stop = time.monotonic() + 60 * asked.minutes
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def attempt(mutant: Mutant) -> None:
        if time.monotonic() > stop:
            return
        copy = free.get()
        try:
            outcome = judge(mutant, copy, reach)
        finally:
            free.put(copy)
        outcomes[key_of(mutant)] = outcome
        with kept.open("a") as file:
            file.write(json.dumps([key_of(mutant), outcome]) + "\n")
        if outcome != "noticed":
            print(f"{outcome}: {mutant.name}: {mutant.code}", flush=True)

    with ThreadPoolExecutor(asked.jobs) as pool:
        for done in [pool.submit(attempt, one) for one in waiting]:
            done.result()
    tried = [(one, outcomes[key_of(one)]) for one in chosen if key_of(one) in outcomes]
    text, enough = page(tried, asked.seed, len(chosen), equivalents())
    print(text)
    if not (asked.changed or asked.only):
        PAGE.write_text(text)
    return int(not enough)


def choose(asked: argparse.Namespace) -> list[Mutant]:
    """The sample."""
    lines = changed_lines(REPOSITORY, asked.changed) if asked.changed else None
    places = [
        place
        for path in modules(REPOSITORY)
        if asked.only in path and (lines is None or path in lines)
        for place in places_of(REPOSITORY, path)
        if lines is None or place[0].line in lines[path]
    ]
    return sample(places, asked.sample, asked.seed)


def judge(mutant: Mutant, copy: Copy, reach: Reach) -> str:
    """Whether a test of those that reach it notices a mutant."""
    module = copy.folder / mutant.path
    source, times = module.read_text(), module.stat()
    tests = reach.of(mutant.path, mutant.line, MOST_S, runs_at_import(source, mutant.line))
    if not tests:
        return "unreached"
    planted = mutant.plant(source)
    assert planted is not None, f"{mutant.name} is not there"
    # Of the processor, so that a busy machine is not taken for an endless loop; of the clock, for what waits.
    limit = math.ceil(START_S + 4 * sum(map(reach.took, tests)))
    try:
        module.write_text(planted)
        ended = copy.pytest(["-x", *tests], processor_s=limit, clock_s=4 * limit)
        if ended == NOT_FOUND:  # names of cases that come from the code: all cases, then
            functions = dict.fromkeys(test.partition("[")[0] for test in tests)
            ended = copy.pytest(["-x", *functions], processor_s=limit, clock_s=4 * limit)
    finally:
        module.write_text(source)
        os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))  # what was compiled of it counts again
    return "noticed" if ended else "survived"


def environment_in(copy: Path) -> dict[str, str]:
    """For tests of a copy: its code comes first."""
    environment = {"LEUKOBENCH_SHARED": str(REPOSITORY.parent / "shared"), **os.environ}
    return environment | {"PYTHONPATH": f"{copy / 'src'}:{copy}", "PYTHONDONTWRITEBYTECODE": "1"}


def fresh_copy(folder: Path) -> Path:
    """A copy of the code and its tests, without what is built."""
    shutil.rmtree(folder, ignore_errors=True)
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, files.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def key_of(mutant: Mutant) -> str:
    """Its name and its line: where the code has changed, it is tried again."""
    return f"{mutant.name} | {mutant.code}"


def known_outcomes(kept: Path) -> Outcomes:
    """What came of it the last time; a survivor is tried again, for tests may have been added."""
    return dict(map(json.loads, kept.read_text().splitlines())) if kept.exists() else {}


def equivalents() -> dict[tuple[str, str, str], str]:
    """Module, line and operator -> why such a mutant changes nothing."""
    file = HERE / "equivalent.toml"
    entries = tomllib.loads(file.read_text())["mutant"] if file.exists() else []
    return {(one["module"], one["line"], one["operator"]): one["reason"] for one in entries}


def page(
    tried: list[tuple[Mutant, str]], seed: int, asked: int, equivalent: dict[tuple[str, str, str], str]
) -> tuple[str, bool]:
    """The page, and whether enough were noticed."""
    rooms: dict[str, list[bool]] = defaultdict(list)
    same: Counter[str] = Counter()
    survivors, excused = [], []
    for mutant, outcome in sorted(tried, key=lambda one: (one[0].path, one[0].line)):
        operator = mutant.operator.removeprefix("core/")
        reason = equivalent.get((mutant.path, mutant.code, operator))
        of_room = rooms[mutant.room]
        if outcome != "noticed" and reason:
            same[mutant.room] += 1
            excused.append(f"- `{mutant.name}`: {reason}")
            continue
        of_room.append(outcome == "noticed")
        if outcome != "noticed":
            survivors.append(f"- {outcome}: `{mutant.name}`: `{mutant.code}`")
    every = [one for of in rooms.values() for one in of]
    share = sum(every) / max(1, len(every))
    enough = share >= OF_ALL and all(sum(one) >= OF_A_ROOM * len(one) for one in rooms.values())
    lines = [
        "# Defects that tests notice",
        "",
        f"Made by `make mutants` with seed {seed}. {len(tried)} of {asked} mutants were tried; of {len(every)} that "
        f"change something, {sum(every)} were noticed ({share:.1%}; target {OF_ALL:.0%}, each room {OF_A_ROOM:.0%}).",
        "",
        "| room | planted | change nothing | noticed | survived | noticed of those that change something |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {room} | {len(of) + same[room]} | {same[room]} | {sum(of)} | {len(of) - sum(of)} | "
            f"{sum(of) / max(1, len(of)):.0%} |"
            for room, of in sorted(rooms.items())
        ),
        "",
        "## Survivors",
        "",
        *(survivors or ["None."]),
        "",
        "## Mutants that change nothing",
        "",
        *(excused or ["None."]),
    ]
    return "\n".join(lines) + "\n", enough


if __name__ == "__main__":
    sys.exit(main())
