"""What a plan decides on every trial."""

from pathlib import Path

import pytest
from equipment.results.records import a_runtime
from plan_equipment import attempt, trial

from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction, choose, differences, make_plan, matches
from bench.trials.trial import Trial
from wbc.errors import InputError


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    return SuiteResults(tmp_path / "results", "suite")


def decision(results: SuiteResults, of: Trial, **options) -> tuple[str, str]:
    (planned,) = make_plan([of], results, **options)
    assert planned.trial is of
    return planned.status, planned.why


def test_a_new_trial(results: SuiteResults):
    assert decision(results, trial()) == ("new", "never run")
    assert decision(results, trial(), fresh=True) == ("new", "never run")
    assert not results.results.exists(), "planning writes nothing"


def test_a_done_trial(results: SuiteResults):
    attempt(results, trial(), "failed")
    attempt(results, trial())
    assert decision(results, trial()) == ("done", "attempt 2")


def test_a_done_trial_stays_done_when_a_later_attempt_fails(results: SuiteResults):
    attempt(results, trial())
    attempt(results, trial(), "failed")
    attempt(results, trial(), None)
    assert decision(results, trial()) == ("done", "attempt 1")


def test_fresh_runs_a_done_trial_again(results: SuiteResults):
    attempt(results, trial())
    status, why = decision(results, trial(), fresh=True)
    assert status == "again"
    assert "attempt 1" in why


@pytest.mark.parametrize("fresh", [False, True])
def test_a_failed_trial_is_retried(results: SuiteResults, fresh: bool):
    attempt(results, trial(), "failed", "crashed")
    attempt(results, trial(), "failed", "memory")
    assert decision(results, trial(), fresh=fresh) == ("failed", "memory: too large")


def test_an_interrupted_trial_is_retried(results: SuiteResults):
    attempt(results, trial(), "interrupted", "interrupted")
    assert decision(results, trial())[0] == "unfinished"


def test_an_attempt_without_a_record_is_retried(results: SuiteResults):
    attempt(results, trial(), None)
    status, why = decision(results, trial())
    assert status == "unfinished"
    assert "no result" in why


def test_another_trial_of_the_suite_decides_nothing(results: SuiteResults):
    attempt(results, trial())
    assert decision(results, trial(seed=1)) == ("new", "never run")


@pytest.mark.parametrize(
    ("pattern", "networks"),
    [
        ("vgg*", ["VGG16", "VGG19"]),
        ("VGG16*", ["VGG16"]),
        ("vgg1", ["VGG16", "VGG19"]),
        ("*-scratch-*", ["VGG16", "VGG19", "LeNet5"]),
        ("lenet5-scratch-1e-s0", ["LeNet5"]),
    ],
)
def test_only(results: SuiteResults, pattern: str, networks: list[str]):
    trials = [trial(network) for network in ("VGG16", "VGG19", "LeNet5")]
    assert [one.network for one in choose(trials, pattern, "--only")] == networks


def test_only_one_whole_id(results: SuiteResults):
    trials = [trial(seed=seed) for seed in range(3)]
    (chosen,) = choose(trials, trials[1].id, "--only")
    assert chosen is trials[1]


def test_only_that_matches_nothing_names_an_id(results: SuiteResults):
    with pytest.raises(InputError) as caught:
        choose([trial(), trial(seed=1)], "densenet*", "--only")
    assert "densenet*" in caught.value.what
    assert caught.value.way_out == f"The first is {trial().id}; plan without --only shows all."


def test_a_trial_that_differs_from_an_earlier_one_says_how(results: SuiteResults):
    attempt(results, trial(optimizer={"name": "SGD"}))
    assert decision(results, trial(optimizer={"name": "Adam"})) == ("changed", "optimizer.name Adam, was SGD")
    newer = trial(optimizer={"name": "SGD"}, runtime=a_runtime(torch="2.5.1"))
    assert decision(results, newer) == ("changed", "torch 2.5.1, was not set")


@pytest.mark.parametrize(
    ("more", "decided"),
    [
        ({"dropout": 0.25}, ("changed", "l1 0.5, was 0.0; l2 0.5, was 0.0; dropout 0.25, was 0.5")),
        ({"dropout": 0.25, "epochs": 7}, ("new", "never run")),
    ],
)
def test_trials_that_differ_in_more_than_three_settings_are_not_similar(results, more, decided):
    usual = {"l1": 0.0, "l2": 0.0, "dropout": 0.5, "epochs": 3}
    attempt(results, trial(**usual))
    assert decision(results, trial(**{**usual, "l1": 0.5, "l2": 0.5, **more})) == decided


@pytest.mark.parametrize("network", ["LeNet5", "VGG19"])
@pytest.mark.parametrize("mode", ["features", "transfer"])
def test_a_trial_of_another_network_or_mode_is_no_earlier_version(results: SuiteResults, network, mode):
    attempt(results, trial(network))
    attempt(results, trial(mode=mode))
    assert decision(results, trial("VGG16", mode="scratch")) == ("new", "never run")


def test_a_trial_that_the_suite_still_asks_for_is_no_earlier_version_of_another(results: SuiteResults):
    attempt(results, trial(epochs=1))
    _, second = make_plan([trial(epochs=1), trial(epochs=2)], results)
    assert (second.status, second.why) == ("new", "never run")


def test_a_checkpoint_is_named(results: SuiteResults):
    attempt(results, trial(), "interrupted", "interrupted")
    results.checkpoint(trial().id).mkdir()
    assert decision(results, trial())[1].endswith("resumes from its checkpoint")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"epochs": 2}, "changed"),
        ({"epochs": 2, "batch_size": 7, "l1": 0.1}, "changed"),
        ({"epochs": 2, "batch_size": 7, "l1": 0.1, "l2": 0.1}, "new"),
        ({"epochs": 2, "seed": 3}, "new"),
        ({"data": {"split_seed": 3}}, "new"),
    ],
)
def test_a_trial_is_changed_up_to_three_settings_that_are_no_seeds(
    results: SuiteResults, changes, status: str
):
    attempt(results, trial())
    found, why = decision(results, trial(**changes))
    assert found == status and len(why.split("; ")) == (len(changes) if status == "changed" else 1)


def test_of_several_earlier_trials_the_most_similar_one_is_named(results: SuiteResults):
    for settings in ({"batch_size": 7, "l1": 0.1}, {"batch_size": 9}, {"batch_size": 8, "l2": 0.1}):
        attempt(results, trial(**settings))
    assert decision(results, trial()) == ("changed", "batch_size 16, was 9")


def test_what_differs_is_said_in_short():
    old, new = (trial(preprocessing=name) for name in ("network", "unit"))
    assert differences(new, old) == ["preprocessing unit, was network"]
    assert differences(old, old) == []
    limits = [trial(data={"background": "b" * length}) for length in (24, 25)]
    assert differences(*limits) == [f"data.background {'b' * 24}, was {'b' * 12}..."]


def test_a_pattern_is_a_part_of_an_id_or_the_whole_of_it():
    assert matches("vgg16-transfer", "GG16-T") and matches("vgg16-transfer", "V*r")
    assert not matches("vgg16-transfer", "v*x") and not matches("vgg16-transfer", "resnet")


def test_only_what_is_not_done_runs_and_has_seconds():
    assert [PlannedTrial(trial(), status, "").runs for status in ("done", "new", "again", "failed")] == [
        False,
        *[True] * 3,
    ]
    assert PlannedTrial(trial(), "new", "").seconds == 0.0
    assert PlannedTrial(trial(), "new", "", prediction=Prediction(7.5, "by heart")).seconds == 7.5


def test_a_damaged_record_is_made_again(results: SuiteResults):
    made = attempt(results, trial())
    made.result.write_text("{torn")
    status, why = decision(results, trial())
    assert status == "unfinished" and why.startswith("the record of attempt 1 is damaged (")
    attempt(results, trial())
    assert decision(results, trial()) == ("done", "attempt 2")


def test_an_attempt_that_was_killed_after_one_that_failed_has_no_result(results: SuiteResults):
    attempt(results, trial(), "failed", "crashed")
    attempt(results, trial(), None)
    assert decision(results, trial()) == (
        "unfinished",
        "an attempt has no result: it runs, or its harness was killed",
    )


def test_an_earlier_trial_that_cannot_be_read_hides_no_other(results: SuiteResults):
    made = attempt(results, trial(batch_size=8))
    attempt(results, trial(batch_size=9))
    damaged = sorted(results.trials.iterdir())[0]
    next(damaged.glob("attempt-*/trial.json")).write_text("{torn")
    other = 9 if damaged.name == made.trial_id else 8
    assert decision(results, trial()) == ("changed", f"batch_size 16, was {other}")


def test_what_is_done_with_a_trial_is_said_to_the_word(results: SuiteResults):
    attempt(results, trial())
    assert decision(results, trial(), fresh=True) == (
        "again",
        "done before (attempt 1), but --fresh was given",
    )
    failed = trial(seed=4)
    attempt(results, failed, "interrupted", "interrupted")
    results.checkpoint(failed.id).mkdir()
    status, why = decision(results, failed)
    assert (status, why) == ("unfinished", "too large; resumes from its checkpoint")
    with pytest.raises(InputError) as caught:
        choose([failed], "nosuch", "--trial")
    assert caught.value.what == "no trial matches --trial nosuch"
