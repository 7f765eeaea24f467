"""Do the signs of a disturbance tell bad times? Loads are injected beside a trial: `make disturbed`.

`python tests/evidence/disturb.py WORK [--minutes 15] [--show FILE]` runs a trial alone and beside each kind of load in
three doses, all along and as a burst of some seconds, in an order that is drawn. It goes on where it was stopped.
Then it prints how well each sign tells the slow runs from the others (AUC), what thresholds find, and what marks told
in pairs that were recorded on a quiet machine.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "src"), str(HERE.parent)]

from evidence import load  # noqa: E402
from evidence.recording import append, figures_of_run, lines_of, recorder, signals_of  # noqa: E402

from bench.worker.files import write_json  # noqa: E402
from wbc.reference_work import measure_reference_work  # noqa: E402

DOSES = (0.25, 0.5, 1.0)
START_S, START_LATER_S, BURST_S = 6.0, 3.0, 5.0
"""A burst begins so many seconds after the trial, or up to so many later, and takes so many: the trial trains then."""

SLOW = 1.10
"""A run is slow if its training took longer than the median of the runs alone by this factor."""

KEPT, QUIET = (HERE / "pairs" / f"{name}.json" for name in ("disturbed", "lenet5-quiet"))

Situation = tuple[str, float, str]
"""Kind of load, dose, and `all along` or `burst`; `("", 0.0, "")` is the trial alone."""

ALONE: Situation = ("", 0.0, "")

Sign = Callable[[dict], float]


def situations(round_: int) -> list[Situation]:
    """Those of a round, as many of the trial alone as of either duration, in an order that is drawn."""
    loaded = [(kind, dose, when) for kind in load.KINDS for dose in DOSES for when in ("all along", "burst")]
    every = [*loaded, *[ALONE] * (len(loaded) // 2)]
    random.Random(round_).shuffle(every)
    return every


@contextmanager
def beside(situation: Situation) -> Iterator[None]:
    """Within it, the load runs."""
    kind, dose, when = situation
    if not kind:
        yield
        return
    over = threading.Event()

    def run() -> None:
        if when == "burst" and over.wait(START_S + random.uniform(0, START_LATER_S)):
            return
        # Of no parent here: what the harness starts is no foreign process.
        command = [sys.executable, str(HERE / "load.py"), kind, str(dose)]
        started = subprocess.run(
            ["sh", "-c", '"$@" >&- 2>&- & echo $!', "sh", *command],
            capture_output=True,
            text=True,
            check=True,
        )
        over.wait(BURST_S if when == "burst" else None)
        os.kill(int(started.stdout), signal.SIGKILL)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def record(work: Path, minutes: float) -> Path:
    """Run what is missing of the present round, and further rounds, until the time is over."""
    journal, until = work / "disturbed.jsonl", time.monotonic() + 60 * minutes
    with recorder(HERE / "disturbed.toml", work) as recording:
        (trial,) = recording.trials
        while time.monotonic() < until:
            number = len(lines_of(journal))
            size = len(situations(0))
            situation = situations(number // size)[number % size]
            with beside(situation):
                before = measure_reference_work(None).gflops
                measured = recording.run(trial)
                after = measure_reference_work(None).gflops
            append(
                journal,
                {
                    "situation": situation,
                    **figures_of_run(measured),
                    "signals": {
                        **signals_of(measured.record),
                        "outside_before": before,
                        "outside_after": after,
                    },
                    "disturbed": list(measured.record.disturbed),
                },
            )
    return journal


def signs(runs: Sequence[dict]) -> dict[str, Sign]:
    """Name -> what grows where a run is disturbed. The best of all runs stands for what the machine can do."""

    def best(name: str) -> float:
        return max(max(one["signals"][f"{name}{when}"] for when in ("before", "after")) for one in runs)

    def drop(name: str, of: Callable[[float, float], float]) -> Sign:
        top = best(name)
        return lambda run: 1 - of(run["signals"][f"{name}before"], run["signals"][f"{name}after"]) / top

    return {
        "other processes": lambda run: run["signals"]["foreign"],
        "stolen": lambda run: run["signals"]["steal"],
        "waiting for cores": lambda run: run["signals"]["waiting"],
        "reference work, the slower one": drop("", min),
        "reference work, the faster one": drop("", max),
        "the same outside the trial, the slower one": drop("outside_", min),
        "the same outside the trial, the faster one": drop("outside_", max),
    }


def auc(values: np.ndarray, slow: np.ndarray) -> float:
    """How often a slow run has the larger value than another one; ties count half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    ranks, positive = rankdata(values), int(slow.sum())
    negative = len(slow) - positive
    if not positive or not negative:
        return float("nan")
    return float((ranks[slow].sum() - positive * (positive + 1) / 2) / (positive * negative))


def slowdown(runs: Sequence[dict]) -> np.ndarray:
    """Training time of each run over the median of the runs alone."""
    alone = [one["fit_time"] for one in runs if not one["situation"][0]]
    return np.array([one["fit_time"] for one in runs]) / np.median(alone)


def tables(runs: Sequence[dict]) -> str:
    """As Markdown: slowdown and marks by situation, then each sign."""
    slower = slowdown(runs)
    slow, alone = slower >= SLOW, np.array([not one["situation"][0] for one in runs])
    lines = [
        "| load | dose | when | runs | slower by (median) | marked |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for situation in sorted({tuple(one["situation"]) for one in runs}):
        own = np.array([tuple(one["situation"]) == situation for one in runs])
        marked = sum(bool(one["disturbed"]) for one, is_own in zip(runs, own, strict=True) if is_own)
        kind, dose, when = situation
        lines.append(
            f"| {kind or 'none'} | {f'{dose:.0%}' if kind else ''} | {when} | {own.sum()} "
            f"| {np.median(slower[own]) - 1:+.0%} | {marked} |"
        )
    lines += [
        "",
        f"{slow.sum()} of {len(runs)} were {SLOW - 1:.0%} slower or more; of {alone.sum()} alone, {slow[alone].sum()}.",
        "",
        "| sign | AUC | AUC, loads only as bursts | finds slow runs where it marks 1 % of the others | threshold |",
        "| --- | --- | --- | --- | --- |",
    ]
    burst = np.array([one["situation"][2] != "all along" for one in runs])
    for name, sign in signs(runs).items():
        values = np.array([sign(one) for one in runs])
        bar = float(np.quantile(values[~slow], 0.99, method="higher"))
        lines.append(
            f"| {name} | {auc(values, slow):.2f} | {auc(values[burst], slow[burst]):.2f} "
            f"| {(values[slow] > bar).mean():.0%} | {bar:.2f} |"
        )
    return "\n".join(lines)


def recorded_marks(content: Sequence[dict]) -> str:
    """What marks of recorded pairs tell of the runs of A in them, as Markdown.

    Args:
        content: See `evidence.judging`; a run that is in two pairs counts once.
    """
    seen: dict[tuple, tuple[list[str], float]] = {}
    for one in content:
        for pair in one["pairs"]:
            for side in ("baseline", "candidate") if one["kind"] == "aa" else ("baseline",):
                reasons = [said for said in pair["disturbed"] if said.startswith(f"{side}: ")]
                seen[tuple(pair[side].items())] = (reasons, pair[side]["fit_time"])
    seconds = np.array([fit for _, fit in seen.values()])
    work = np.array(
        [any("canary" in said or "reference work" in said for said in own) for own, _ in seen.values()]
    )
    other = np.array(
        [
            any("canary" not in said and "reference work" not in said for said in own)
            for own, _ in seen.values()
        ]
    )
    calm = ~work & ~other
    slower = seconds / np.median(seconds[calm])
    lines = [
        "| marked by | runs | slower by (median) | slow | AUC against unmarked runs |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, own in (
        ("nothing", calm),
        ("other processes and the like", other),
        ("reference work alone", work & ~other),
    ):
        if own.any():
            told = f"{auc(seconds[own | calm], own[own | calm]):.2f}" if name != "nothing" else ""
            slow = int((slower[own] >= SLOW).sum())
            lines.append(f"| {name} | {own.sum()} | {np.median(slower[own]) - 1:+.0%} | {slow} | {told} |")
    return "\n".join(lines)


def main() -> int:
    """Record, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--show", type=Path, default=KEPT, help="runs to print, where none are recorded")
    wanted = parser.parse_args()
    if wanted.work is not None:
        write_json(KEPT, lines_of(record(wanted.work, wanted.minutes)))
    if wanted.show.exists():
        print(tables(json.loads(wanted.show.read_text())))
    print(f"\nRecorded pairs, {QUIET.stem}:\n\n{recorded_marks(json.loads(QUIET.read_text()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
