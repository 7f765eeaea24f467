"""`run`, `load_results`, `compare` and `regress` of the public interface, on the cheapest trial."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import KNN, Bench, InProcess

import bench
from bench.errors import ExitCode


@dataclass(frozen=True)
class Ran:
    """A suite that was run once, and kept as `baseline:before`."""

    suite: bench.Suite
    folder: Path
    results: bench.Results
    said: list[str]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    home = tmp_path_factory.mktemp("interface")
    path, folder, said = home / "tiny.toml", home / "results", []
    path.write_text(KNN)
    suite = bench.load_suite(path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in Bench(home).environment().items():
            patch.setenv(name, value)
        results = bench.run(suite, results=folder, devices="cpu", say=said.append)
        assert InProcess(home)("baseline", "save", "before", results.folder).returncode == 0
        yield Ran(suite, folder, results, said)


def test_a_suite_is_run_and_loaded(ran: Ran):
    assert ran.results.failed == ()
    [record] = ran.results.records()
    assert record.done
    assert record == ran.results.record(ran.results.trial_ids[0])
    assert record.test is not None
    [row] = ran.results.frame().to_dict("records")
    assert (row["trial"], row["test_accuracy"]) == (record.trial.id, record.test.accuracy)
    assert bench.load_results(ran.results.folder) == ran.results
    assert [one.status for one in bench.plan(ran.suite, results=ran.folder, devices="cpu")] == ["done"]
    assert any("1 trial" in message for message in ran.said)


def test_nothing_is_printed(ran: Ran, capfd: pytest.CaptureFixture):
    assert bench.run(ran.suite, results=ran.folder, devices="cpu") == ran.results
    assert capfd.readouterr() == ("", "")


def test_results_are_compared(ran: Ran):
    verdict = bench.compare("baseline:before", ran.results, results=ran.folder)
    [trial] = verdict.trials
    assert (trial.pairs, trial.learning) == (1, "same")
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE  # one pair says nothing of times


def test_a_failed_trial_does_not_raise(ran: Ran, tmp_path: Path):
    path = tmp_path / "tiny.toml"
    path.write_text(f'{KNN}\n[limits]\ntrial = "0.01s"\nretries = 0\n')
    results = bench.run(path, results=tmp_path / "results", devices="cpu")
    assert results.failed == results.trial_ids
    [record] = results.records()
    assert record.failure is not None
    assert record.failure.kind == "timeout"


def test_regress_against_results_that_were_kept(ran: Ran):
    asked = {
        "baseline": "baseline:before",
        "results": ran.folder,
        "devices": "cpu",
        "pairs": 1,
        "name": "mine",
    }
    verdict = bench.regress(ran.suite, **asked)
    assert [trial.learning for trial in verdict.trials] == ["same"]
    assert (ran.folder / "regress" / "mine" / "candidate").is_dir()
