"""Trials of a plan, and what became of earlier ones."""

from equipment.results.records import a_failure, a_record, a_trial, write_record

from bench.journal.results import SuiteResults
from bench.trials.settings import Runtime
from bench.trials.trial import Trial

KNOWN = {
    "network": "ResNet50",
    "options": {},
    "mode": "transfer",
    "image_size": 224,
    "epochs": 100,
    "batch_size": 16,
    "optimizer": {"name": "RMSprop"},
    "data": {
        "train_images_per_class": 1098,
        "validation_images_per_class": 110,
        "test_images_per_class": 110,
    },
}


def real(**changes) -> Trial:
    return a_trial(specification={"manifest": "nowhere"}, **{**KNOWN, **changes})


def trial(network: str = "VGG16", runtime: Runtime | None = None, **settings) -> Trial:
    return a_trial(network, runtime, {"data_folder": "x"}, **{"epochs": 1, **settings})


def attempt(results: SuiteResults, of: Trial, status: str | None = "done", kind: str = "memory"):
    """A new attempt that ended with a status; None: without a record."""
    made = results.new_attempt(of)
    if status is not None:
        write_record(made, a_record(failure=None if status == "done" else a_failure(kind, "too large")))
    return made
