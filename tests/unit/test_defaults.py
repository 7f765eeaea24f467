"""What records, journals, limits and requests are where nothing is said: old files are read with these, too."""

import dataclasses
import math
from importlib import import_module

import msgspec
import pytest

from bench.journal.events import RunnerEvent, WorkerEvent
from bench.journal.runs import RunEvent

DEFAULTS = {
    "bench.compare.metrics.Metric": {
        **{"dimension": "speed", "decides_same": False, "processor_only": False, "with_features": False},
        "weight": 1.0,
    },
    "bench.compare.thresholds.Thresholds": {
        **{"change": 0.05, "margin": 0.02, "loss_margin": 0.05, "alpha_speed": 0.03, "alpha_memory": 0.01},
        **{"alpha_learning": 0.01, "alpha_same": 0.05, "effect": 0.1, "power": 0.9, "look": 1},
    },
    "bench.compare.verdict.PhaseChange": {"clear": False},
    "bench.compare.verdict.TrialVerdict": {
        **{"regression": False, "reason": "", "pairs": 0, "disturbed": 0, "failed": 0, "images": 0},
        "sources": 0,
    },
    "bench.journal.events.Checkpointed": {"cpu": 0, "cpu_s": 0.0},
    "bench.journal.events.Ended": {"cpu": 0, "memory_kills": 0},
    "bench.journal.events.Epoch": {
        **{"cpu": 0, "validation_s": 0.0, "steps": 0, "images": 0, "steps_s": 0.0, "data_wait_s": 0.0},
    },
    "bench.journal.events.MemoryTold": {"cpu": 0, "unavailable": ""},
    "bench.journal.events.PeakTold": {"cpu": 0, "disturbed": ""},
    "bench.journal.events.Started": {"cpu": 0, "pid": 0},
    "bench.journal.events.Stopped": {"why": "", "message": ""},
    "bench.journal.history.Stretch": {"lost_s": 0.0, "of_another": False},
    "bench.journal.runs.RunNote": {"failed": False},
    "bench.journal.runs.RunStarted": {
        **{"cpu": 0, "pid": 0, "exclusive": False, "file": "", "path": "", "description": "", "host": ""},
        **{"commit": "", "driver": ""},
    },
    "bench.plan.decide.PlannedTrial": {"fresh": False},
    "bench.plan.needs.Needs": {"maps_known": True},
    "bench.records.utilization.Rates": {"steady": False, "two_stages": False},
    "bench.regress.planning.PairPlan": {"basis": 0},
    "bench.regress.session.RegressRequest": {"whole_budget": False, "fresh": False},
    "bench.runner.scheduler._Active": {
        **{"stopping": False, "kill_at": math.inf, "linger_until": math.inf},
    },
    "bench.runner.suite.RunOptions": {"fresh": False, "engine": "local"},
    "bench.telemetry.trace.Trace": {"failure": ""},
    "bench.trials.limits.Limits": {
        **{"stall_s": 900.0, "retries": 1, "grace_s": 5.0, "checkpoint_s": 300.0, "exclusive": False},
        "quiet_s": 600.0,
    },
    "bench.trials.measured.Steady": {"outcome": "steady", "reason": ""},
    "bench.trials.measured.Summary": {"samples": 0},
    "bench.trials.origin.SlotDescription": {"replicas": 1},
    "bench.trials.record.Resumed": {"shared_s": 0.0},
    "bench.trials.sampling.TelemetrySettings": {"interval_s": 0.1, "enabled": True},
}
"""Class -> its defaults that are numbers, words or decisions; the other fields are needed, None or empty."""


def defaults(kind: type) -> dict[str, object]:
    if dataclasses.is_dataclass(kind):
        fields = [(field.name, field.default) for field in dataclasses.fields(kind)]
    else:
        fields = [(field.name, field.default) for field in msgspec.structs.fields(kind)]
    return {name: value for name, value in fields if isinstance(value, bool | int | float | str)}


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_meant_where_nothing_is_said(name: str):
    module, _, kind = name.rpartition(".")
    assert defaults(getattr(import_module(module), kind)) == DEFAULTS[name]


@pytest.mark.parametrize(
    ("events", "tags"),
    [
        (
            WorkerEvent,
            [
                *("phase_started", "phase_ended", "epoch", "blocks", "resumed", "checkpointed", "heartbeat"),
                *("environment", "evaluated", "externally_evaluated", "model_saved", "model_not_saved"),
                *("memory", "failed", "closed"),
            ],
        ),
        (RunnerEvent, ["started", "ended", "quiet", "neighbors", "telemetry", "machine", "peak"]),
        (RunEvent, ["run_started", "run_ended"]),
    ],
)
def test_events_have_the_names_that_journals_hold(events, tags):
    assert sorted(kind.__struct_config__.tag for kind in events.__args__) == sorted(tags)
    assert {kind.__struct_config__.tag_field for kind in events.__args__} == {"event"}
