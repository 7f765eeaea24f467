"""What MLflow is sent, to the letter, and what is said where it cannot be: addresses, tags, notes, metrics."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_failure, a_record, a_trial, write_record
from msgspec import structs

from bench.errors import DamagedAttempt, InputError, ResultsError
from bench.journal.history import Stretch
from bench.journal.results import Attempt, SuiteResults
from bench.tracking import projection, store, sync
from bench.tracking.points import METRICS, METRICS_OF_CLASSES, STEADY, _final, _measured
from bench.tracking.tags_and_params import (
    STATES,
    milliseconds,
    moment,
    note_of,
    plain_keys,
    tags_of,
    unavailable_of,
)
from bench.trials.measured import Energy, Memory, Profile, ReferenceWork, Steady, Utilization, Work
from bench.trials.metrics import Metrics
from bench.trials.origin import Environment
from bench.trials.phases import EvaluatePhase, FeaturesPhase, Phases, Times
from bench.trials.record import Resumed

CLASSICAL = a_trial("SVM", mode="classical", epochs=0, options={"kernel": "linear"})
OURS = a_record(structs.replace(a_trial("VGG16", epochs=2), id="vgg16-1"))


def of(**changes):
    return structs.replace(OURS, **changes)


def said(call, *given, **more) -> tuple[str, str]:
    with pytest.raises((InputError, ResultsError)) as caught:
        call(*given, **more)
    return caught.value.what, caught.value.way_out


@pytest.fixture
def store_of(tmp_path: Path, monkeypatch):
    """Sends attempts to a stand-in for MLflow that does what it is told."""
    results = SuiteResults(tmp_path, "cells")
    for name in ("a", "b"):
        write_record(results.new_attempt(structs.replace(OURS.trial, id=name)), OURS)

    def sends(does) -> list[sync.Synced]:
        own = SimpleNamespace(store="s", send=does, settle=lambda: None)
        monkeypatch.setattr(projection, "Projection", lambda results: own)
        return sync.sync(tmp_path, "cells", say=lambda sentence: None, again=True)

    return sends


def test_what_cannot_be_sent_is_told_and_the_rest_goes(store_of):
    def send(attempt, again):
        assert again is True
        if attempt.trial_id == "a":
            raise DamagedAttempt("a is torn")
        return True

    assert store_of(send) == [sync.Synced("cells", 2, 1, ("a is torn",))]


def test_only_what_is_not_marked_as_sent_is_sent(store_of, monkeypatch, tmp_path: Path):
    sent = []
    own = SimpleNamespace(store="s", send=lambda *given: sent.append(given) or True, settle=lambda: None)
    monkeypatch.setattr(projection, "Projection", lambda results: own)
    monkeypatch.setattr(
        sync, "unsent", lambda results, store: results.all_attempts()[1:] if store == "s" else []
    )
    (synced,) = sync.sync(tmp_path, "cells", say=lambda sentence: None)
    assert synced == sync.Synced("cells", 2, 1, ())
    assert [(attempt.trial_id, again) for attempt, again in sent] == [("b", False)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no\n route to http://me:secret@x/y"), "no route to http://***@x/y"),
        (RuntimeError(400 * "x"), 200 * "x"),
        (KeyError(), "KeyError"),
    ],
)
def test_why_mlflow_cannot_be_written_to(store_of, error, reason):
    def send(attempt, again):
        raise error

    what, way_out = said(store_of, send)
    assert what == f"MLflow cannot be written to: {reason}"
    assert way_out.startswith("Nothing is lost, the journals have all: `")
    assert way_out.endswith(" sync` sends the rest.")


@pytest.mark.parametrize("error", [ResultsError("as it is"), PermissionError("as it is")])
def test_errors_that_say_enough_stay_what_they_are(store_of, error):
    def send(attempt, again):
        raise error

    with pytest.raises(type(error)) as caught:
        store_of(send)
    assert caught.value is error


def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch):
    class Client:
        def __init__(self, tracking_uri: str):
            self.path = Path(tracking_uri.removeprefix("sqlite:///"))

        def search_experiments(self, max_results: int) -> None:
            assert max_results == 1
            for end in ("", "-journal"):
                self.path.with_name(self.path.name + end).touch()
            raise OSError("no room")

    monkeypatch.setattr("mlflow.MlflowClient", Client)
    with pytest.raises(OSError, match="no room"):
        store.ensure(tmp_path / "mlflow.db")
    assert list(tmp_path.iterdir()) == []


def test_places_of_a_store_that_came_here_are_those_beside_it(tmp_path: Path):
    """One table has not the column, as with an older MLflow; places elsewhere stay."""
    path, here = tmp_path / "mlflow.db", f"{tmp_path.as_uri()}/mlartifacts"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table experiments (name)")
        connection.execute("create table runs (artifact_uri)")
        places = ["file:///old/mlartifacts/1/a", f"{here}/2/b", "s3://bucket/3", None]
        connection.executemany("insert into runs values (?)", [(place,) for place in places])
    store.settle_in(path, tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        found = [row[0] for row in connection.execute("select artifact_uri from runs")]
    assert found == [f"{here}/1/a", f"{here}/2/b", "s3://bucket/3", None]


def test_addresses_that_answer_and_that_do_not(tmp_path: Path, monkeypatch):
    asked = []

    def connect(address, seconds):
        asked.append((*address, seconds))
        if address[0] == "dead":
            raise OSError

        class Open:
            __enter__ = __exit__ = lambda *given: None

        return Open()

    monkeypatch.setattr(store.socket, "create_connection", connect)
    assert store.answers("sqlite:///x") and store.answers("http://a") and store.answers("https://b:9/c")
    assert not store.answers("https://dead")
    assert asked == [("a", 80, 1.0), ("b", 9, 1.0), ("dead", 443, 1.0)]
    assert said(store.check_reachable, "http://me:secret@dead") == ("nobody answers at http://***@dead", "")
    store.check_reachable("http://a")
    folder = f"sqlite:///{tmp_path}"
    assert said(store.check_reachable, folder) == (
        f"{folder} cannot be opened: unable to open database file",
        "",
    )


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (
            of(failure=None, test=None, status="running"),
            ["VGG16, scratch, 2 epochs: running"],
        ),
        (
            structs.replace(a_record(CLASSICAL), failure=None, test=None, status="running"),
            ["SVM with kernel linear, classical: running"],
        ),
        (
            of(failure=a_failure("memory", 400 * "m"), test=None, fit_time=None),
            [f"VGG16, scratch, 2 epochs: **memory** in train: {300 * 'm'}"],
        ),
    ],
)
def test_the_first_line_of_a_note(record, lines):
    assert note_of(record).split("\n\n")[:1] == lines


def test_versions_that_are_none_are_not_in_a_note():
    told = Environment(cuda="none: a CPU build", cudnn="unavailable: x", keras="3.4", python="3.11.2")
    said = note_of(of(environment=told, slot=None, provenance=structs.replace(OURS.provenance, host=None)))
    assert said.split("\n\n")[-1] == "Keras 3.4, Python 3.11.2"


def test_tags_of_a_resumed_attempt_on_a_slot():
    slot = structs.replace(OURS.slot, model="A GPU", name="gpu:0+1", uuids=("u", "v"))
    phases = Phases(features=FeaturesPhase(wall_s=1.0, cpu_s=1.0, made_by="t/attempt-1"))
    resumed = Resumed(attempts=(1,), from_epoch=3, lost_s=0.0)
    tags = tags_of(of(slot=slot, phases=phases, resumed=resumed, disturbed=("one.", "two."), note="n"), "s")
    assert {name: tags[name] for name in ("device", "device.slot", "device.uuid", "disturbed", "note")} == {
        **{"device": "A GPU", "device.slot": "gpu:0+1", "device.uuid": "u,v", "disturbed": "one. two."},
        "note": "n",
    }
    assert tags["leukobench.resumed_from_epoch"] == "3"
    assert tags["leukobench.features_made_by"] == "t/attempt-1"
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("leukobench", "LOCAL")
    assert tags["leukobench.trial"] == "vgg16-1" and tags["leukobench.key"] == OURS.trial.key
    origin = structs.replace(OURS.provenance, host="here", driver="570", commit="c0ffee")
    placed = tags_of(of(provenance=origin), "s")
    names = ("host", "version.driver", "mlflow.source.git.commit")
    assert [placed[name] for name in names] == ["here", "570", "c0ffee"]
    failed = tags_of(of(failure=a_failure("memory", "full")), "s")
    assert (failed["failure.kind"], failed["failure.message"]) == ("memory", "full")
    assert unavailable_of(of(unavailable={"a": "x", "b": "y", "c": "x"})) == "a, c: x\nb: y"


def test_times_in_milliseconds():
    assert milliseconds("1970-01-01T00:00:01.500+00:00") == 1500
    assert milliseconds(None) == milliseconds("") == milliseconds("yesterday") == 0
    stretch = Stretch(Attempt(Path()), "1970-01-01T00:00:01+00:00", [SimpleNamespace(t=5_000_000)])
    assert [moment(stretch, 5_000_000 + more) for more in (3_000_000_000, 3_999_999_999)] == [4000, 4999]
    assert STATES == {"done": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "running": "RUNNING"}


def test_names_in_mlflows_characters():
    # The first 8 digits of `printf 'a+' | sha256sum`, and so on.
    found = dict(plain_keys({"a+": 1, "a*": 2, "a_": 3, "b-c. /1": 4, "x!": 5}))
    assert found == {"a_-85e200cd": 1, "a_-a4a87d31": 2, "a_": 3, "b-c. /1": 4, "x_": 5}
    long = dict(plain_keys({"y" * 250: 1, "y" * 251: 2}))
    assert [len(name) for name in long] == [250, 250] and list(long.values()) == [1, 2]
    assert list(long)[1].startswith("y" * 241 + "-")


def test_the_metrics_that_an_attempt_has_once():
    test = Metrics(images=4, accuracy=0.5, per_class_accuracy={"E": 1.0}, precision={"E": 0.25})
    evaluate = EvaluatePhase(wall_s=1.0, cpu_s=2.0, model_bytes=11, inference_s=12.0)
    parts = {"evaluations": {"repaired": test}, "phases": Phases(evaluate=evaluate)}
    parts |= {"fit_time": Times(wall_s=3.0, cpu_s=4.0), "time_to_result": Times(wall_s=5.0, cpu_s=6.0)}
    found = dict(_final(of(test=test, external=test, **parts)))
    expected = {
        **{"test/accuracy": 0.5, "test/accuracy_E": 1.0, "test/precision_E": 0.25},
        **{"test/external_accuracy": 0.5, "test/external_accuracy_E": 1.0, "test/repaired_accuracy": 0.5},
        **{"time/evaluate_wall_s": 1.0, "time/evaluate_cpu_s": 2.0, "test/model_bytes": 11},
        **{"time/fit_time_wall_s": 3.0, "time/fit_time_cpu_s": 4.0, "time/time_to_result_wall_s": 5.0},
        **{"time/time_to_result_cpu_s": 6.0, "test/inference_s": 12.0},
    }
    assert {name: found[name] for name in expected} == expected


def test_what_was_measured_has_a_name():
    measured = of(
        steady=Steady(
            **{"images_per_s": 1.0, "low": 2.0, "high": 3.0, "median_images_per_s": 4.0, "step_s": 5.0},
            **{"steps": 99, "settled_s": 6.0, "settled_step": 99, "blocks": 99, "data_wait_s": 7.0},
            **{"data_wait_share": 8.0, "compile_s": 9.0},
        ),
        profile=Profile(
            **{"steps": 99, "wall_s": 99.0, "input_stall": 0.1, "kernel_busy": 0.2, "copies_s": 0.3},
            **{"kinds": {"dense": 0.4}, "top": (), "trace": "x"},
        ),
        energy=Energy(trial_j=10.0, train_j=11.0, image_j=12.0, method="m"),
        work=Work(parameters=13, layers=14),
        utilization=Utilization(model_flops_per_s=15.0, measured_precision="float32"),
        reference_work=ReferenceWork(before_gflops=16.0, after_clock_mhz=17.0),
        memory=Memory(process_peak=18),
    )
    values = {name: value for name, value in _measured(measured) if isinstance(value, int | float)}
    assert values == {
        **{"throughput/steady_images_per_s": 1.0, "throughput/steady_images_per_s_low": 2.0},
        **{"throughput/steady_images_per_s_high": 3.0, "throughput/median_images_per_s": 4.0},
        **{"time/steady_step_s": 5.0, "time/settled_s": 6.0, "time/steady_data_wait_s": 7.0},
        **{"throughput/data_wait_share": 8.0, "time/first_step_s": 9.0, "throughput/steady_state": 1},
        **{"profile/input_stall": 0.1, "profile/kernel_busy": 0.2, "profile/copies_s": 0.3},
        **{"profile/share_of_dense": 0.4, "energy/trial_j": 10.0, "energy/train_j": 11.0},
        **{"energy/image_j": 12.0, "work/parameters": 13, "work/layers": 14},
        **{"throughput/model_flops_per_s": 15.0, "reference_work/before_gflops": 16.0},
        **{"reference_work/after_clock_mhz": 17.0, "memory/process_peak": 18},
    }
    odd = of(steady=structs.replace(measured.steady, outcome="no steady state"))
    assert dict(_measured(odd))["throughput/steady_state"] == 0
    assert "throughput/steady_state" not in dict(_measured(of(steady=None)))


def test_the_names_of_metrics():
    assert (
        *("accuracy", "balanced_accuracy", "loss", "macro_precision", "macro_recall", "macro_f1"),
        *("macro_auc", "calibration_error"),
    ) == METRICS
    assert METRICS_OF_CLASSES == {
        **{"accuracy": "per_class_accuracy", "precision": "precision", "f1": "f1", "auc": "auc"},
    }
    assert STEADY == {
        "images_per_s": "throughput/steady_images_per_s",
        "median_images_per_s": "throughput/median_images_per_s",
        "low": "throughput/steady_images_per_s_low",
        "high": "throughput/steady_images_per_s_high",
        "step_s": "time/steady_step_s",
        "settled_s": "time/settled_s",
        "data_wait_s": "time/steady_data_wait_s",
        "data_wait_share": "throughput/data_wait_share",
        "compile_s": "time/first_step_s",
    }
