"""`share_prefix`: trials that differ only in epochs train once to the most."""

import json
from dataclasses import replace

import numpy as np
import pytest
from equipment.results.journals import trial_of
from scheduler_equipment import Bed, planned
from test_checkpoint import specification_of
from training_equipment import Notes

from bench.journal.results import Attempt
from bench.plan.prefixes import successors
from wbc import experiment
from wbc.specification import Checkpointing


def test_each_trial_is_followed_by_the_next_that_has_only_more_epochs():
    short, middle, long = (trial_of("VGG16", "transfer", epochs) for epochs in (10, 20, 50))
    others = [
        trial_of("VGG16", "transfer", 30, seed=1),
        trial_of("VGG16", "transfer", 30, batch_size=8),
        trial_of("VGG16", "scratch", 30),
        trial_of("VGG16", "finetune", 10),
        trial_of("VGG16", "finetune", 20),
    ]
    assert successors([long, *others, short, middle]) == {short.id: middle.id, middle.id: long.id}


@pytest.fixture
def bed(tmp_path):
    return Bed(tmp_path)


def leave_checkpoints(bed: Bed) -> list[bool]:
    """Each trial that runs leaves a checkpoint; says of each start whether one lay there."""
    start, found = bed.engine.start, []

    def started(attempt: Attempt, slot):
        folder = bed.results.checkpoint(attempt.trial_id)
        found.append(folder.exists())
        folder.mkdir(exist_ok=True)
        return start(attempt, slot)

    bed.engine.start = started
    return found


def test_a_trial_waits_for_the_one_it_goes_on_from_and_gets_its_checkpoint(bed):
    short, long, other = planned("short", 1, takes=3.0), planned("long", 9, takes=1.0), planned("other", 5)
    found = leave_checkpoints(bed)
    bed.run([long, other, short], successors={short.trial.id: long.trial.id})
    assert [name for name, _ in bed.engine.placed] == ["other", "short", "long"]
    assert found == [False, False, True]
    assert bed.results.checkpointed() == []
    asked = {
        name: json.loads(next(bed.results.trials.glob(f"{name}*/*/trial.json")).read_text())
        for name in ("short", "long")
    }
    of = {name: one["specification"]["checkpoint"] for name, one in asked.items()}
    assert (of["short"]["at_end"], of["long"].get("at_end")) == (True, None)
    assert of["short"]["tag"] == f"{short.trial.id}/attempt-1"


def test_it_trains_from_the_beginning_where_the_one_before_fails_or_is_done(bed):
    short, long = planned("short", takes=1.0, ends=["diverged"]), planned("long")
    found = leave_checkpoints(bed)
    bed.run([long, short], successors={short.trial.id: long.trial.id})
    assert bed.notes.ended == [("short", "diverged", False), ("long", "done", False)]
    assert found == [False, False]
    done = replace(short, status="done")
    bed.run([replace(long, fresh=True), done], successors={short.trial.id: long.trial.id})
    assert found == [False, False, False]


@pytest.mark.parametrize("mode", ["transfer", "scratch"])
def test_the_result_is_that_of_a_run_of_its_own_to_the_last_bit(noisy_images, tmp_path, mode):
    whole, short, long = Notes(), Notes(), Notes()
    plain = specification_of(noisy_images, None, mode)
    experiment.run(plain, whole)
    leaving = Checkpointing(tmp_path, tag="short/attempt-1", at_end=True)
    experiment.run(replace(plain, epochs=2, checkpoint=leaving), short)
    assert short.saved == [2]
    experiment.run(replace(plain, checkpoint=replace(leaving, at_end=False, tag="long/attempt-1")), long)
    assert long.from_before == (2, "short/attempt-1")
    assert {**short.epochs, **long.epochs} == whole.epochs
    np.testing.assert_array_equal(long.probabilities, whole.probabilities)
