"""Batches of what is predicted or extracted, and what is said while another process extracts."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from training_equipment import Notes

from wbc.data.loading import Split
from wbc.specification import FeatureCache, Specification
from wbc.training import transfer
from wbc.training.batches import InputBatches


@pytest.mark.parametrize(("at_least", "last"), [(0, [8, 9]), (3, [8, 9, 8]), (4, [8, 9, 8, 9])])
def test_inputs_come_in_file_order_and_the_last_batch_is_padded_from_its_beginning(at_least, last):
    told = []
    batches = InputBatches(np.arange(10), 4, lambda batch: batch * 2, at_least, told.append)
    assert len(batches) == 3
    found = [batches[index] for index in range(3)]
    assert [(inputs / 2).tolist() for (inputs,) in found] == [[0, 1, 2, 3], [4, 5, 6, 7], last]
    assert told == [0, 1, 2]


@pytest.mark.parametrize("shared", [True, False])
def test_features_are_extracted_or_awaited(monkeypatch, shared):
    """With a sign of life for as long as another process extracts them."""
    cost = SimpleNamespace(batches=4, seconds=2.0)
    cache = FeatureCache(Path("cache"), 100, features=shared)
    specification = Specification(Path(), Path(), 32, "LeNet5", "transfer", batch_size=4, feature_cache=cache)
    splits = {
        name: Split(np.full((n, 2), n), np.zeros(n, int), [], ("a",))
        for name, n in (("train", 3), ("test", 2))
    }
    asked, beats = [], []

    def predict(backbone, inputs, size, prepare, observer, timer, distribution, place):
        assert (backbone, size, prepare, distribution.replicas) == ("backbone", 4, "prepare", 1)
        found = place((len(inputs), 5), np.float32)
        found[:] = len(inputs)
        return found

    def keep(asked_cache, ingredients, make, waiting):
        asked.append((asked_cache, ingredients))
        waiting()
        arrays, more = make(lambda name, shape, dtype: np.empty(shape, dtype))
        return SimpleNamespace(arrays=arrays, more=more, figures={"extraction_s": 1.5})

    monkeypatch.setattr(transfer, "predict", predict)
    monkeypatch.setattr(transfer, "keep_once", keep)
    monkeypatch.setattr(transfer, "preprocessing_of", lambda given: "prepare")
    monkeypatch.setattr(transfer, "BatchTimer", lambda: SimpleNamespace(cost=lambda size: ("cost", size)))
    monkeypatch.setattr(transfer, "float32_bytes", lambda backbone: 44)
    monkeypatch.setattr(transfer, "asdict", lambda cost: {"told": cost})
    monkeypatch.setattr(transfer, "Cost", lambda told: told)
    monkeypatch.setattr(transfer, "ingredients_of", lambda *given: given)
    notes = Notes()
    notes.heartbeat = lambda *beat: beats.append(beat)
    distribution = SimpleNamespace(replicas=1, scope=nullcontext)
    found, cost = transfer.extract_features("backbone", splits, specification, notes, distribution)
    assert cost == ("cost", 44)
    for name, split in found.items():
        assert (split.inputs == len(split)).all() and split.inputs.shape == (len(splits[name]), 5)
        assert replace(split, inputs=splits[name].inputs) == splits[name]
    figures = {"images": 5, "bytes": 5 * 5 * 4}
    if shared:
        assert asked == [(cache, ("backbone", splits, specification))] and beats == [(0, 1)]
        figures["extraction_s"] = 1.5
    else:
        assert asked == beats == []
    assert notes.phases["features"] == figures
