"""After a run the networks stay that its answer rests on."""

import json
import shutil
from pathlib import Path

import pytest
from equipment.results.suites import thesis_suite

from bench.journal.results import SuiteResults
from bench.journal.runs import noted_run
from bench.report.answer import decide, same_images
from bench.report.frame import configurations_frame, trials_frame
from bench.report.models import keep_best
from bench.report.pareto import candidates
from bench.suite.resolve import resolve_suite
from bench.trials.settings import Runtime


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    results, ids = thesis_suite(tmp_path_factory.mktemp("thesis"), telemetry=False)
    for trial_id in ids:
        for attempt in results.attempts(trial_id):
            mark(attempt, "best")
    return results, ids


@pytest.fixture
def suite(finished, tmp_path: Path):
    """A copy, whose networks a test may remove."""
    results, ids = finished
    shutil.copytree(results.results, tmp_path, dirs_exist_ok=True)
    return SuiteResults(tmp_path, results.suite), ids


def mark(attempt, save_model: object) -> None:
    path = attempt.folder / "trial.json"
    content = json.loads(path.read_text())
    content["specification"] = {"save_model": save_model}
    path.write_text(json.dumps(content))
    (attempt.folder / "model.keras").write_bytes(b"network")


def models(results) -> set[str]:
    return {path.parent.parent.name for path in results.trials.rglob("model.keras")}


def test_the_named_and_the_most_accurate_network_stay(suite):
    results, ids = suite
    assert len(models(results)) > 2
    trials = trials_frame(results, ids)
    configurations = configurations_frame(trials)
    decision = decide(found := candidates(configurations), same_images(results, trials, found))
    kept = keep_best(results, ids)
    assert models(results) == set(kept) and 1 <= len(kept) <= 2
    of = trials.set_index("trial")["configuration"]
    assert {of[trial] for trial in kept} == {decision.named.configuration, decision.best.configuration}
    assert keep_best(results, ids) == kept, "once more changes nothing"


def test_the_networks_are_those_of_the_answer_with_the_margin_of_the_suite(suite):
    results, ids = suite
    trials = trials_frame(results, ids)
    found = candidates(configurations_frame(trials))
    images = same_images(results, trials, found)
    usual, wide = (decide(found, images, margin) for margin in (0.02, 0.5))
    assert usual.named.configuration != wide.named.configuration, "the margin decides"
    with noted_run(results, ids, False, margin=0.5):
        pass
    of = trials.set_index("trial")["configuration"]
    kept = {of[trial] for trial in keep_best(results, ids)}
    assert kept == {wide.named.configuration, wide.best.configuration}


def test_a_suite_that_keeps_all_keeps_all(suite):
    results, ids = suite
    for trial_id in ids:
        for attempt in results.attempts(trial_id):
            mark(attempt, True)
    before = models(results)
    keep_best(results, ids)
    assert models(results) == before


def test_of_other_trials_each_attempt_that_is_over_loses_its_network(suite):
    """Also where one before it has none; one that is under way may still read its own."""
    results, ids = suite
    kept = keep_best(results, ids)
    other = next(one for one in ids if one not in kept)
    later, running = (results.new_attempt(results.attempts(other)[0].trial()) for _ in range(2))
    shutil.copy(results.attempts(other)[0].result, later.result)
    for attempt in (later, running):
        mark(attempt, "best")
    keep_best(results, ids)
    assert [(one.folder / "model.keras").is_file() for one in (later, running)] == [False, True]


@pytest.mark.parametrize(
    ("line", "mode", "keeps", "told"),
    [
        ("", "scratch", True, "best"),
        ("", "scratch", False, False),
        ("save_model = true", "scratch", False, True),
        ("save_model = false", "scratch", True, False),
        ("", "classical", True, False),
    ],
)
def test_what_a_worker_is_told(tmp_path, line, mode, keeps, told):
    path = tmp_path / "suite.toml"
    backbone = "KNN" if mode == "classical" else "LeNet5"
    path.write_text(f'[suite]\n{line}\n[[matrix]]\nmode = "{mode}"\nbackbone = "{backbone}"\n')
    runtime = Runtime(wbc="0123", tensorflow="2", keras="3", device="one processor")
    (trial,) = resolve_suite(path, tmp_path / "cache", runtime=runtime, in_pairs=not keeps).trials
    assert trial.specification["save_model"] == told
