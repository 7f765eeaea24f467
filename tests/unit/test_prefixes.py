"""`share_prefix`: trials that differ only in epochs train once to the most."""

import json
from dataclasses import replace

import pytest
from equipment.results.journals import trial_of
from scheduler_equipment import Bed, planned

from bench.journal.results import Attempt
from bench.plan.prefixes import successors


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
