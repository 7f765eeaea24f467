"""The decoder of records: what goes in comes out, and what is damaged is named."""

import json
import math
from pathlib import Path

import msgspec
import pytest
from equipment.results.records import a_failure, a_record, a_trial

from bench.errors import DamagedAttempt, InputError
from bench.trials.measured import DeviceTelemetry, Sampler, Summary, Telemetry
from bench.trials.origin import Environment, ForeignProcess, Neighbors, Provenance
from bench.trials.phases import Phase, Phases
from bench.trials.record import Record, decode_record, record_to_json

FILE = Path("results/demo/trials/vgg16/attempt-1/result.json")

SUMMARY = Summary(mean=0.9, p95=1.0, max=1.0, samples=20)
TELEMETRY = Telemetry(
    interval_s=0.1,
    cores=2,
    longest_line_s=0.1,
    phases={"train": {"cpu_percent": SUMMARY}},
    counters={"train": {"cpu_s": 3.5}},
    unavailable={"steal": "the kernel does not tell it"},
    devices={
        "gpu:0": DeviceTelemetry(
            phases={"train": {"power_w": SUMMARY}},
            counters={},
            unavailable={},
            methods={"energy_j": "counter"},
        )
    },
    sampler=Sampler(cpu_s=None, samples=20, complete=False),
    contention={},
)


def content_of(record: Record, **changes: object) -> dict:
    return {**json.loads(json.dumps(record_to_json(record))), **changes}


def decoded(content: object) -> Record:
    return decode_record(json.dumps(content).encode(), FILE)


@pytest.mark.parametrize(
    "record",
    [
        a_record(),
        a_record(failure=a_failure(log=("one", "two"))),
        a_record(telemetry=TELEMETRY, disturbed=("Others used the cores.",), evaluations={}),
        a_record(neighbors=(None, Neighbors(alone=False, unknown={"gpu:0": 2}))),
        a_record(trial=a_trial(early_stopping=None, data={"train_images_per_class": None})),
    ],
)
def test_a_record_survives_the_way_to_the_disk_and_back(record: Record):
    back = decoded(content_of(record))
    assert back == record
    assert record_to_json(back) == record_to_json(record)


def test_a_diverged_loss_survives_as_not_a_number():
    back = decoded(content_of(a_record(last_epoch={"loss": math.nan, "accuracy": 0.25})))
    assert back.last_epoch is not None
    assert math.isnan(back.last_epoch["loss"])
    assert back.last_epoch["accuracy"] == 0.25


def test_a_truncated_record_is_named_with_its_file():
    whole = json.dumps(content_of(a_record())).encode()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(DamagedAttempt, match=f"^{FILE} is damaged: it is not whole JSON$"):
            decode_record(whole[:length], FILE)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("test", "accuracy"), "high", "test.accuracy: expected float, got str"),
        (("status",), "finished", "status: "),
        (("trial", "settings", "epochs"), 3.5, "trial.settings.epochs: expected int, got float"),
        (("slot", "uuids"), "GPU-0", "slot.uuids: expected array, got str"),
        (("phases", "train", "wall_s"), None, "phases.train.wall_s: expected float, got null"),
        (("disturbed",), [3], "disturbed[0]: expected str, got int"),
        (("telemetry", "phases", "train", "cpu_percent", "mean"), [], "telemetry.phases"),
        (("format",), "one", "format: "),
    ],
)
def test_a_field_of_another_type_is_named(path: tuple[str, ...], value: object, said: str):
    content = content_of(a_record(telemetry=TELEMETRY))
    table = content
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = value
    with pytest.raises(DamagedAttempt) as caught:
        decoded(content)
    assert str(caught.value).startswith(f"{FILE} is damaged: {said}")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("energy",), "energy is missing"),
        (("format",), "format is missing"),
        (("trial", "key"), "trial.key is missing"),
        (("phases", "data", "cpu_s"), "phases.data.cpu_s is missing"),
        (("trial", "settings", "data", "digest"), "trial.settings.data.digest is missing"),
    ],
)
def test_a_missing_field_is_named(path: tuple[str, ...], said: str):
    content = content_of(a_record())
    table = content
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]
    with pytest.raises(DamagedAttempt) as caught:
        decoded(content)
    assert str(caught.value) == f"{FILE} is damaged: {said}"


@pytest.mark.parametrize("content", [[], "done", None, 3])
def test_what_is_no_table_is_damaged(content: object):
    with pytest.raises(DamagedAttempt, match="is damaged: expected object"):
        decoded(content)


def test_another_format_is_refused_with_the_way_out():
    with pytest.raises(InputError) as caught:
        decoded(content_of(a_record(), format=2, energy="in another layout"))
    assert f"{FILE} has format 2" in str(caught.value)
    assert "reads format 1 only" in str(caught.value)
    assert "version that wrote it" in str(caught.value)


def test_keys_of_a_later_version_are_ignored():
    assert decoded(content_of(a_record(), humidity=0.4)) == a_record()


def test_every_field_of_a_record_is_written():
    required = {field.name for field in msgspec.structs.fields(Record)}
    assert set(record_to_json(a_record())) == required


def test_a_record_can_not_be_changed():
    with pytest.raises(AttributeError):
        a_record().attempt = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        a_record().provenance.host = "elsewhere"  # type: ignore[misc]
    assert Provenance().seeds.seed is None


def test_phases_come_in_the_order_in_which_they_run():
    record = a_record()
    assert record.phases.names() == ("startup", "data", "build", "compile", "train", "evaluate")
    assert dict(record.phases.items())["train"].wall_s == 60.0
    assert record.phases.get("train") is record.phases.train
    assert record.phases.get("profile") is None and record.phases.get("names") is None
    assert Phases().names() == ()


SPARSE = {
    *(
        "Environment",
        "KeptModel",
        "DataSettings",
        "OptimizerSettings",
        "ClassifierSettings",
        "Settings",
        "Runtime",
    ),
    *(
        "Phase",
        "SharedPhase",
        "DataPhase",
        "BuildPhase",
        "FeaturesPhase",
        "SearchPhase",
        "CompilePhase",
        "TrainPhase",
    ),
    *("EvaluatePhase", "ExplainPhase", "Exported", "ExportPhase", "ReferencePhase", "Phases", "Trial"),
}
"""Types whose fields are left out of files where they have their defaults. Ids of trials depend on it."""


def types_below(kind: type) -> set[type]:
    return {kind, *(found for one in kind.__subclasses__() for found in types_below(one))}


def test_which_types_leave_out_what_has_its_default():
    own = [kind for kind in types_below(msgspec.Struct) if kind.__module__.startswith("bench.trials.")]
    assert {kind.__name__ for kind in own if kind.__struct_config__.omit_defaults} == SPARSE
    for kind in own:
        if issubclass(kind, Phase):
            assert msgspec.to_builtins(kind(wall_s=1.0, cpu_s=2.0)) == {"wall_s": 1.0, "cpu_s": 2.0}
    unknown = ForeignProcess(gpu="gpu:1", pid=7, name="", kind="compute", memory_bytes=None)
    assert msgspec.to_builtins(Environment()) == {} and str(unknown) == "process 7 on gpu:1"
    assert msgspec.to_builtins(Phases()) == {} and Phases().names() == ()
    assert list(msgspec.to_builtins(a_record().trial)) == ["id", "key", "network", "settings", "runtime"]
