"""What a worker writes down, event by event, and what it knows of itself."""

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.worker import environment, protocol, recorder
from bench.worker.artifacts import keep_model
from bench.worker.environment import (
    SetupError,
    compute_variables,
    describe_machine,
    granted_cores,
    keep_to_cores,
    peak_of_process,
    resident_memory,
)
from bench.worker.files import is_being_written, write_json, write_text
from bench.worker.jsonl import EventWriter, read_lines
from bench.worker.process import _with_measurements, explain
from bench.worker.recorder import Recorder
from bench.worker.turns import TURN_S, TurnTaker
from wbc.observer import Block


class Turns:
    """Counts how often a turn is passed on."""

    def __init__(self):
        self.asked = []

    def pass_on(self, phase: str) -> float:
        self.asked.append(phase)
        return 2.5


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A recorder, and what it has written."""
    monkeypatch.setattr(recorder, "resident_memory", lambda: 4096)
    peaks = iter((1000, 2000))
    monkeypatch.setattr(recorder, "peak_of_process", lambda: next(peaks))
    events = EventWriter(tmp_path / "events.jsonl")
    made = Recorder(events, tmp_path, Turns())

    def written() -> list[dict]:
        found = read_lines(tmp_path / "events.jsonl")
        return [{name: value for name, value in one.items() if name not in ("t", "cpu")} for one in found]

    return made, written


def test_each_report_is_an_event_with_its_figures(journal):
    made, written = journal
    made.phase_started("data")
    made.phase_ended("data", images=3)
    made.resumed(4, "attempt-1")
    made.epoch_ended(5, {"loss": 1.0}, 0.5, steps=7, device=9)
    made.blocks_timed(1, [Block(0.5, 2, 3, 4, 0.25, 0.125)])
    made.checkpointed(5, 0.25, 0.125)
    made.heartbeat(2, 9)
    made.evaluated({"accuracy": 0.5}, {"corrected": {"accuracy": 0.25}})
    assert written() == [
        {"event": "phase_started", "phase": "data"},
        {"event": "phase_ended", "phase": "data", "figures": {"images": 3}},
        {"event": "resumed", "epoch": 4, "tag": "attempt-1"},
        {
            **{"event": "epoch", "epoch": 5, "metrics": {"loss": 1.0}, "validation_s": 0.5},
            **{"resident": 4096, "steps": 7, "device": 9},
        },
        {"event": "blocks", "stage": 1, "blocks": [[0.5, 2, 3, 4, 0.25, 0.125]]},
        {"event": "checkpointed", "epoch": 5, "seconds": 0.25, "cpu_s": 0.125},
        {"event": "heartbeat", "done": 2, "total": 9, "resident": 4096},
        {
            **{"event": "evaluated", "metrics": {"accuracy": 0.5}},
            "evaluations": {"corrected": {"accuracy": 0.25}},
        },
    ]


def test_a_turn_is_passed_on_before_each_phase_but_training(journal):
    made, _ = journal
    assert made.pause() == 2.5
    for phase in ("compile", "train", "evaluate"):
        made.phase_started(phase)
    assert made._turns.asked == ["", "", "train"], "as the phase that is over"
    assert Recorder(made.events, made.folder).pause() == 0.0


def test_predictions_are_files_of_the_attempt(journal, tmp_path):
    made, written = journal
    kept = []
    predictions = SimpleNamespace(write_csv=kept.append)
    made.predicted(predictions)
    made.shuffled(predictions)
    made.externally_evaluated(predictions, {"accuracy": 0.5})
    assert kept == [tmp_path / "predictions.csv", tmp_path / "shuffled.csv", tmp_path / "external.csv"]
    assert written() == [{"event": "externally_evaluated", "metrics": {"accuracy": 0.5}}]


def test_memory_is_described_once_something_is_trained(journal):
    made, written = journal
    made.describe_memory()
    assert written() == []
    made.finished(SimpleNamespace(memory=lambda: {"unavailable": "x"}))
    made.describe_memory()
    assert written() == [{"event": "memory", "unavailable": "x", "process_peak": 1000}]


def test_memory_that_cannot_be_described_spoils_no_result(journal):
    made, written = journal

    def breaks():
        raise ValueError("a graph\n  without nodes " + 400 * "x")

    made.finished(SimpleNamespace(memory=breaks))
    made.describe_memory()
    (event,) = written()
    assert event["unavailable"].startswith("ValueError: a graph without nodes xx")
    assert len(event["unavailable"]) == 300


def test_the_peak_is_that_of_before_the_first_phase_that_comes_afterwards(journal):
    made, written = journal
    made.finished(SimpleNamespace(memory=dict))
    for phase in ("evaluate", "latency", "save"):
        made.phase_started(phase)
    made.describe_memory()
    assert written()[-1]["process_peak"] == 1000


def test_a_reason_for_a_model_that_is_not_saved_is_no_novel(journal):
    made, written = journal

    def save(path, fit):
        raise ValueError(2000 * "x")

    made.trained(SimpleNamespace(save=save), {"reading": {}})
    assert written() == [{"event": "model_not_saved", "reason": "ValueError: " + 988 * "x"}]


def test_a_kept_model_has_its_schema_beside_it(journal, tmp_path):
    import keras
    import tensorflow as tf

    made, written = journal

    def save(path: Path, fit: str) -> dict:
        path.write_bytes(bytes(77))
        return {"input": {"shape": [fit]}, "output": {"shape": [3]}, "takes": "raw pixels"}

    trained = SimpleNamespace(save=save)
    made.trained(trained, {"reading": {"fit": "pad"}, "network": "LeNet5", "likeness": {"rate": 0.5}})
    (event,) = written()
    assert event.pop("seconds") >= 0
    shapes = {"input": {"shape": ["pad"]}, "output": {"shape": [3]}}
    assert event == {"event": "model_saved", "bytes": 77, **shapes}
    assert json.loads((tmp_path / "likeness.json").read_text()) == {"rate": 0.5}
    content = json.loads((tmp_path / "model.json").read_text())
    versions = [f"keras=={keras.__version__}", f"tensorflow=={tf.__version__}"]
    assert content.pop("python").count(".") == 2
    assert content == {
        **{"reading": {"fit": "pad"}, "network": "LeNet5", **shapes, "takes": "raw pixels"},
        **{"keras": keras.__version__, "backend": "tensorflow", "requirements": versions},
    }
    assert keep_model(trained, {"reading": {}}, tmp_path)["input"] == {"shape": ["squash"]}
    assert json.loads((tmp_path / "likeness.json").read_text()) is None


def test_events_are_stamped_and_short_ones_copied(tmp_path):
    read, write = os.pipe()
    writer = EventWriter(tmp_path / "x.jsonl", write)
    assert not os.get_blocking(write) and not os.get_inheritable(write)
    before, used = time.monotonic_ns(), time.process_time_ns()
    assert writer.write("first", number=1)
    writer.left_out_ns = 10**9
    assert writer.write("second")
    after = time.monotonic_ns()
    assert writer.write("told", t=5, cpu=6)
    first, second, told = read_lines(tmp_path / "x.jsonl")
    assert before <= first["t"] <= second["t"] + 10**9 <= after
    assert used <= first["cpu"] <= second["cpu"] <= time.process_time_ns()
    assert (told["t"], told["cpu"]) == (5, 6)
    assert os.read(read, 1 << 16) == (tmp_path / "x.jsonl").read_bytes()
    bare = len(json.dumps({"t": 1, "cpu": 1, "event": "long", "text": ""})) + 1
    assert writer.write("long", t=1, cpu=1, text="x" * (4096 - bare)), "as long as a pipe takes at once"
    assert not writer.write("long", t=1, cpu=1, text="x" * (4097 - bare))
    os.close(read)
    assert not writer.write("to nobody")
    writer.close()
    assert len(read_lines(tmp_path / "x.jsonl")) == 6
    assert not EventWriter(tmp_path / "y.jsonl").write("x"), "nobody has a copy"


@pytest.mark.parametrize("torn", [b'{"a": ', b"[1]", b"7", b"\xff\xfe", b"", b"[" * 100_000], ids=range(6))
def test_lines_that_are_no_objects_are_left_out(tmp_path, torn: bytes):
    (tmp_path / "x").write_bytes(b'{"a": 1}\n' + torn + b'\n{"b": 2}\n{"c": 3}')
    assert read_lines(tmp_path / "x") == [{"a": 1}, {"b": 2}]
    assert read_lines(tmp_path) == read_lines(tmp_path / "none") == []


def test_texts_are_whole_and_in_utf_8(tmp_path):
    write_text(tmp_path / "x", "grün \ud800")
    assert (tmp_path / "x").read_bytes() == "grün ?".encode()
    write_json(tmp_path / "y", {"a": [1]})
    assert (tmp_path / "y").read_text() == '{\n "a": [\n  1\n ]\n}\n'
    ended = 2**22 + 1  # more than the kernel numbers processes
    for name, there in ((os.getpid(), True), (ended, False), ("x", False)):
        assert is_being_written(tmp_path / f"model.keras.{name}.partial") is there


def test_memory_and_cores_of_this_process(tmp_path, monkeypatch):
    import psutil

    assert resident_memory() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert granted_cores() == len(os.sched_getaffinity(0))
    read = {"/proc/self/statm": b"9 5 1\n", "/proc/self/status": "VmRSS:\t 3 kB\nVmHWM:\t 7 kB\n"}
    real = Path.open

    class Statm:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def read(self):
            return read["/proc/self/statm"]

    def opened(path, *arguments, **options):
        return Statm() if str(path) == "/proc/self/statm" else real(path, *arguments, **options)

    page = os.sysconf("SC_PAGE_SIZE")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        patch.setattr(Path, "read_text", lambda path: read[str(path)])
        assert (resident_memory(), peak_of_process()) == (5 * page, 7 * 1024)
        for statm, status in ((b"9", "VmRSS: 3 kB"), (b"x y", "VmHWM:\n"), (b"", "VmHWM: x kB")):
            read |= {"/proc/self/statm": statm, "/proc/self/status": status}
            assert resident_memory() is peak_of_process() is None

    def gone(*arguments, **options):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", gone)
        assert resident_memory() is peak_of_process() is None


def test_what_is_told_of_the_machine(monkeypatch):
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda pid: {3, 5, 7})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1,,GPU-2")
    told = describe_machine()
    assert (told["cores"], told["visible_gpus"]) == (3, ["GPU-1", "GPU-2"])
    assert told["variables"]["CUDA_VISIBLE_DEVICES"] == "GPU-1,,GPU-2"
    assert told["kernel"] == os.uname().release and told["python"].count(".") == 2
    assert "numpy" in told["packages"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert describe_machine()["visible_gpus"] == []


def test_a_worker_keeps_to_what_it_was_given(monkeypatch):
    asked = []
    monkeypatch.delenv(protocol.CORES, raising=False)
    monkeypatch.setattr(
        environment.os, "sched_setaffinity", lambda pid, cores: asked.append((pid, list(cores)))
    )
    keep_to_cores()
    assert asked == []
    monkeypatch.setenv(protocol.CORES, "3,5")
    monkeypatch.setenv("OMP_NUM_THREADS", "99")
    monkeypatch.setattr(environment, "granted_cores", lambda: 2)
    keep_to_cores()
    assert asked == [(0, [3, 5])] and os.environ["OMP_NUM_THREADS"] == "2"

    def refused(pid, cores):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(environment.os, "sched_setaffinity", refused)
    with pytest.raises(SetupError) as caught:
        keep_to_cores()
    said = "the trial was given cores 3,5, but may use none of them: [Errno 22] Invalid argument"
    assert str(caught.value) == said


def test_settings_of_frameworks_are_told_and_no_secrets():
    given = {
        **{"LD_PRELOAD": "x", "PYTHONHASHSEED": "0", "PYTHONMALLOC": "y", "OMP_PLACES": "z", "NVIDIA_X": "1"},
        **{
            "TF_LOGIN": "a",
            "TF_LOG_PATH": "b",
            "JAX_AUTH": "c",
            "TF_PASSWD": "d",
            "xla_flags": "e",
            "OMP": "f",
        },
        "MALLOC_ARENA_MAX": "9" * 501,
    }
    assert list(compute_variables(given)) == [
        *("LD_PRELOAD", "MALLOC_ARENA_MAX", "NVIDIA_X", "OMP_PLACES", "PYTHONHASHSEED", "PYTHONMALLOC")
    ]
    assert compute_variables(given)["MALLOC_ARENA_MAX"] == "9" * 500


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SetupError("no\n  GPU"), ("setup", "no GPU")),
        (SetupError(), ("setup", "SetupError")),
        (ZeroDivisionError("x" * 400), ("crashed", "ZeroDivisionError: " + "x" * 300)),
        (ImportError("no module", path="/site/x/__init__.py"), ("crashed", "ImportError: no module")),
        (
            ImportError("no module", path="/mine/x/__init__.py"),
            (
                "setup",
                "ImportError: no module. It lies in /mine, a folder of PYTHONPATH: unset that, or mend the module.",
            ),
        ),
        (OSError(12, "no memory"), ("host-oom", "OSError: [Errno 12] no memory")),
        (OSError(13, "no entry"), ("crashed", "PermissionError: [Errno 13] no entry")),
    ],
)
def test_a_failure_in_a_line(monkeypatch, error, told):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert explain(error) == told


def test_what_a_trial_makes_lies_in_the_folder_of_its_attempt():
    content = {"profile": {"steps": 3}, "explain": {"what": []}, "export": None, "seed": 1}
    assert _with_measurements(content, Path("/a")) == {
        "profile": {"steps": 3, "folder": "/a/trace"},
        "explain": {"what": [], "folder": "/a/explained"},
        "export": None,
        "seed": 1,
    }
    assert _with_measurements({"export": {"formats": []}}, Path("/a"))["export"]["folder"] == "/a"


@pytest.mark.parametrize(
    ("phase", "least_s"), [("data", TURN_S), ("train", 0.25), ("latency", 0.1), ("", 1.0)]
)
def test_a_turn_is_passed_on_from_its_shortest_length_on(tmp_path, phase, least_s):
    said, told = os.pipe()
    turn, give = os.pipe()
    looks = iter([0, round(least_s * 1e9) - 1, round(least_s * 1e9), 5 * 10**9])
    taker = TurnTaker(EventWriter(tmp_path / "x.jsonl", told), turn, lambda: next(looks))
    assert not os.get_inheritable(turn)
    os.write(give, b".")
    assert taker.pass_on(phase) == 0.0 and taker.pass_on(phase) == 5.0 - least_s
    for descriptor in (said, told, turn, give):
        os.close(descriptor)
