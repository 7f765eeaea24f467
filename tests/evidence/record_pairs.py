"""Record pairs of runs to judge the judging by: A against A, and against A whose steps take a tenth longer.

`python tests/evidence/record_pairs.py WORK [--pairs 60] [--at-most N]` runs what is missing, both kinds
together, so that they see the machine in the same states, and writes tests/evidence/pairs/<name>.json anew.
It goes on where it was stopped. WORK keeps the raw results, which are not committed.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from equipment.planted.interpreter import plant  # noqa: E402

from bench.commands.progress import Progress  # noqa: E402
from bench.commands.terminal import Terminal  # noqa: E402
from bench.compare.measurement import Pair  # noqa: E402
from bench.compare.metrics import METRICS, values_of  # noqa: E402
from bench.compare.reading import measurement_of  # noqa: E402
from bench.regress.pairs import PairedRuns, PairRunner, first_side  # noqa: E402
from bench.regress.session import RegressRequest, Session, open_session  # noqa: E402
from bench.regress.side_request import SideRequest  # noqa: E402
from bench.regress.sides import SideName  # noqa: E402
from bench.trials.trial import Trial  # noqa: E402
from bench.worker.files import write_json  # noqa: E402

SLOWER = 0.10
KINDS = {"aa": "aa", "ab": "slow10"}


def main() -> int:
    """Record and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--pairs", type=int, default=60, help="of each kind, in all")
    parser.add_argument("--at-most", type=int, help="of each kind, now")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="what runs the trials")
    parser.add_argument("--suite", type=Path, default=HERE / "lenet5.toml")
    parser.add_argument("--name", help="of the file in pairs/; the suite's by default")
    wanted = parser.parse_args()
    wanted.work.mkdir(parents=True, exist_ok=True)
    slower = plant(wanted.work / "slower-python", str(wanted.python), slower=SLOWER)
    name = wanted.name or wanted.suite.stem
    request = RegressRequest(
        wanted.suite,
        baseline=SideRequest(python=wanted.python),
        candidate=SideRequest(python=slower),
        results=wanted.work,
        name=name,
    )
    with Progress(Terminal()) as progress, open_session(request, progress) as recording:
        record(recording, wanted.pairs, wanted.at_most)
        export(recording, HERE / "pairs" / f"{name}.json")
    return 0


def record(recording: Session, pairs: int, at_most: int | None) -> None:
    """Run what is missing, in threes: the middle one belongs to a pair of either kind.

    Within a kind no two pairs share a run.
    """
    for trial in recording.trials:
        there = min(len(done(recording, kind, trial.key)) for kind in KINDS)
        missing = range(there, pairs if at_most is None else min(pairs, there + at_most))
        runner = recording.runner
        runs = [runner.planned(name, trial, None) for name in ("baseline", "baseline", "candidate")]
        recording.speaker.plan(runs * len(missing), runner.places, at_once=1)
        for number in missing:
            for ran in three(runner, trial, first_side(number)):
                recording.schedule.pairs.append(ran)
                if not ran.done:
                    raise SystemExit(f"a run failed: {ran}")


def three(runner: PairRunner, trial: Trial, first: SideName) -> tuple[PairedRuns, PairedRuns]:
    """A, A and the slower one, or the other way round; one pair of either kind."""
    order: tuple[SideName, ...] = ("baseline", "baseline", "candidate")
    runs = [runner.run_one(name, trial) for name in (order if first == "baseline" else order[::-1])]
    outer, middle, slower = runs if first == "baseline" else runs[::-1]
    return (
        runner.keep("aa", trial, first, *((outer, middle) if first == "baseline" else (middle, outer))),
        runner.keep("ab", trial, first, middle, slower),
    )


def done(recording: Session, kind: str, key: str) -> list[PairedRuns]:
    """The pairs that are there, disturbed ones too: what a shared machine does to them is what is asked."""
    return [one for one in recording.schedule.pairs if one.kind == kind and one.trial_key == key and one.done]


def export(recording: Session, path: Path) -> None:
    """Write the figures of every pair, in the order in which they ran."""
    content = []
    for trial in recording.trials:
        for kind, title in KINDS.items():
            pairs = [
                {side: figures(recording, pair, side) for side in ("baseline", "candidate")}
                | {"first": pair.first, "disturbed": list(pair.disturbed)}
                for pair in done(recording, kind, trial.key)
            ]
            label = f"{trial.network}-{trial.settings.mode}"
            content.append({"label": label, "kind": title, "pairs": pairs})
    path.parent.mkdir(exist_ok=True)
    write_json(path, content)
    print(f"{path}: {', '.join(str(len(one['pairs'])) + ' ' + one['kind'] for one in content)}")


def figures(recording: Session, pair: PairedRuns, side: str) -> dict[str, float]:
    """What the speed of a run is judged by."""
    measured = measurement_of(getattr(pair, side).of(recording.results))
    found = {name: values_of(metric, [Pair(measured, measured)]) for name, metric in METRICS.items()}
    return {name: round(float(value.baseline[0]), 6) for name, value in found.items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())
