"""How many pairs it takes for a verdict, without processes."""

from pathlib import Path
from types import SimpleNamespace

from equipment.results import records
from regress_equipment import SIDES, Listener, Runner

from bench.compare.thresholds import Thresholds
from bench.regress.pair_schedule import Budget, Course
from bench.regress.verdict import Judging

TRIALS = [records.a_trial("LeNet5", epochs=epochs) for epochs in (1, 2, 3)]


class Unjudged(Judging):
    """Runs only."""

    def _judge(self, thresholds, notes):
        return None


def test_every_configuration_gets_its_first_pairs_whatever_the_budget(tmp_path: Path):
    runner = Runner()
    comparison = SimpleNamespace(trials=TRIALS, folder=tmp_path / "own", name="own", keys=SIDES, results={})
    course = Course(runner, [], Listener(), Budget(30.0, runner.clock), TRIALS)
    session = SimpleNamespace(comparison=comparison, course=course, place={})
    Unjudged(session, Thresholds(), print).fixed(6)
    assert len(runner.ran) == 6 and course.cut_short
    Unjudged(session, Thresholds(), print).fixed(1)
    assert len(runner.ran) == 6, "one pair each is there"
