"""Runs of trials that are recorded, line by line, so that a recording goes on where it was stopped."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from equipment.planted.interpreter import plant

from bench.commands.progress import Progress
from bench.commands.terminal import Terminal
from bench.compare.measurement import Measurement, Pair
from bench.compare.metrics import METRICS, values_of
from bench.compare.reading import measurement_of
from bench.records.disturbance import TIMED
from bench.regress.pairs import Run
from bench.regress.session import RegressRequest, Session, open_session
from bench.regress.side_request import SideRequest
from bench.regress.sides import SideName
from bench.trials.record import Record
from bench.trials.trial import Trial

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Recorder:
    """Runs trials as they are, or with a planted change."""

    session: Session
    planted: Path
    """The interpreter of the other side; its change is written before each pair."""

    @property
    def trials(self) -> list[Trial]:
        """Of the suite."""
        return list(self.session.trials)

    def run(self, trial: Trial) -> Measurement:
        """Run a trial once, as it is."""
        runner = self.session.runner
        self.session.speaker.plan([runner.planned("baseline", trial, None)], runner.places, at_once=1)
        return self._measured(trial, runner.run_one("baseline", trial))

    def pair(self, trial: Trial, number: int, **change: object) -> tuple[Measurement, Measurement]:
        """Run a trial and a changed one, or the trial twice, as a comparison does.

        Args:
            trial: The trial.
            number: Of the pair among its kind.
            change: See `equipment/planted/sitecustomize.py`; nothing for the trial as it is.
        """
        runner = self.session.runner
        if change:
            plant(self.planted, **change)
        names: tuple[SideName, SideName] = ("baseline", "candidate" if change else "baseline")
        planned = [runner.planned(name, trial, None) for name in names]
        self.session.speaker.plan(planned, runner.places, at_once=1)
        pair = runner.run_pair("ab" if change else "aa", trial, number)
        old, new = (self._measured(trial, run) for run in pair.runs)
        return old, new

    def _measured(self, trial: Trial, run: Run) -> Measurement:
        """A run that is done; one that fails ends the recording."""
        measured = measurement_of(run.of(self.session.results))
        if measured is None or not measured.done:
            raise SystemExit(f"a run of {trial.label} failed")
        return measured


@contextmanager
def recorder(suite: Path, work: Path) -> Iterator[Recorder]:
    """Make everything ready; raw results stay in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    planted = plant(work / "planted-python", slower=0.0)
    request = RegressRequest(
        suite,
        baseline=SideRequest(python=Path(sys.executable)),
        candidate=SideRequest(python=planted),
        results=work,
        name=suite.stem,
    )
    with Progress(Terminal()) as progress, open_session(request, progress) as session:
        yield Recorder(session, planted)


def label_of(trial: Trial) -> str:
    """As recorded pairs name a trial."""
    return f"{trial.network}-{trial.settings.mode}"


def figures_of_run(measured: Measurement) -> dict[str, float]:
    """What times and memory of a run are judged by: metric -> value."""
    found = {name: values_of(metric, [Pair(measured, measured)]) for name, metric in METRICS.items()}
    return {name: round(float(value.baseline[0]), 6) for name, value in found.items() if value is not None}


def signals_of(record: Record) -> dict[str, float]:
    """What may tell that something ran beside a run, as shares: name -> the most in any timed phase.

    `foreign`: cores that other processes used. `steal`: cores that other virtual machines took. `waiting`: time
    in which threads waited for cores longer than in their own calm times. `before`, `after`: GFLOP/s of the
    reference work.
    """
    found: dict[str, float] = {}
    telemetry, work = record.telemetry, record.reference_work
    if telemetry is not None:
        for name in ("foreign", "steal"):
            shares = [
                telemetry.counters.get(phase, {}).get(f"{name}_s", 0.0) / times.wall_s / telemetry.cores
                for phase, times in record.phases.items()
                if phase in TIMED and times.wall_s >= 1.0
            ]
            found[name] = max(shares, default=0.0)
        found["waiting"] = max((one.share for one in telemetry.contention.values()), default=0.0)
    if work is not None and work.before_gflops and work.after_gflops:
        found |= {"before": work.before_gflops, "after": work.after_gflops}
    return {name: round(value, 4) for name, value in found.items()}


def append(path: Path, line: dict[str, object]) -> None:
    """Keep a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def lines_of(path: Path) -> list[dict]:
    """The lines that are there."""
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )
