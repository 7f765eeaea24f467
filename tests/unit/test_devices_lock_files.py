"""Lock files of GPUs where another harness is between two system calls, or the system refuses."""

import errno
import fcntl
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.devices import lease as leases
from bench.devices.device import Device
from bench.devices.lease import Holder, lease, lease_folder
from bench.devices.machine import Machine, choose_slots
from bench.errors import ResultsError

PATH = Path("/locks/GPU-a.lock")
HOLDER = Holder(7, "this boot", "2026-03-01T08:00:00+00:00", "/results", "thesis")


def denied(number: int = errno.EACCES) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    monkeypatch.setattr(leases, "_boot_id", lambda: "this boot")
    pauses: list[float] = []
    monkeypatch.setattr(leases.time, "sleep", pauses.append)
    return pauses


def opening(monkeypatch, *answers: OSError | int) -> list[bool]:
    """Let files be opened with these answers, the last one again and again; whether each was to be made."""
    made: list[bool] = []

    def answered(path, flags, mode=0o777):
        assert path == PATH and flags & os.O_NOFOLLOW and flags & os.O_RDWR
        answer = answers[min(len(made), len(answers) - 1)]
        made.append(bool(flags & os.O_CREAT and flags & os.O_EXCL))
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(
        leases, "os", SimpleNamespace(**{**vars(os), "open": answered, "fchmod": lambda *given: None})
    )
    return made


@pytest.mark.parametrize(
    ("answers", "made", "pauses"),
    [
        ([7], [False], 0),
        ([FileNotFoundError(), 7], [False, True], 0),
        (
            [FileNotFoundError(), FileExistsError(), 7],
            [False, True, False],
            0,
        ),  # another one made it meanwhile
        ([denied(), denied(), 7], [False] * 3, 2),  # its maker has not opened it to all yet
    ],
)
def test_a_file_that_another_one_makes_is_opened(monkeypatch, slept, answers, made: list[bool], pauses: int):
    asked = opening(monkeypatch, *answers)
    assert leases._open(PATH) == 7
    assert asked == made and slept == [0.02] * pauses


@pytest.mark.parametrize(
    ("answers", "calls", "pauses", "why"),
    [
        ([denied()], 50, 50, "Permission denied"),
        ([FileNotFoundError(), denied(errno.EROFS)], 2, 0, "Read-only file system"),
        ([FileNotFoundError(), FileExistsError()] * 50, 100, 0, "it comes and goes"),
    ],
)
def test_a_file_that_cannot_be_opened_says_why(
    monkeypatch, slept, answers, calls: int, pauses: int, why: str
):
    asked = opening(monkeypatch, *answers)
    with pytest.raises(ResultsError) as caught:
        leases._open(PATH)
    assert caught.value.what == f"cannot open the lock {PATH}: {why}"
    assert (len(asked), slept) == (calls, [0.02] * pauses)


def reading(*answers: str | OSError) -> Path:
    """A path whose text changes with each look."""
    texts = iter(answers)

    def read_text() -> str:
        if isinstance(text := next(texts), OSError):
            raise text
        return text

    return SimpleNamespace(read_text=read_text)


def text(**changes: object) -> str:
    return json.dumps({**vars(HOLDER), **changes})


@pytest.mark.parametrize(
    ("answers", "said", "pauses"),
    [
        ([text()], "process 7, which runs thesis into /results since 2026-03-01T08:00:00+00:00", 0),
        (["", "{}", "7", denied(), text(suite="demo")], "process 7, which runs demo into /results since "
         "2026-03-01T08:00:00+00:00", 4),
        (["", FileNotFoundError()], None, 1),
        ([text(boot_id="before")] * 50, "another run", 50),
    ],
)  # fmt: skip
def test_who_holds_a_lock(slept, answers, said: str | None, pauses: int):
    assert leases._read(reading(*answers)) == said and slept == [0.02] * pauses


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("LEUKOBENCH_LEASES", str(tmp_path / "deep" / "leases"))
    return tmp_path / "deep" / "leases"


GPU = Device("gpu", "NVIDIA", "GPU-a", 0)
CHOICE = choose_slots("gpu:0", machine=Machine("P", (0,), (GPU,)))


def test_a_lock_that_is_given_back_while_its_holder_is_asked_for_is_taken(folder: Path, monkeypatch, slept):
    lock, refused = fcntl.flock, []

    def held_once(file, operation):
        if not refused:
            refused.append(operation)
            (folder / "GPU-a.lock").unlink()
            raise BlockingIOError
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", held_once)
    with lease(CHOICE, Path("results"), "ours") as leased:
        assert leased.slots == CHOICE.slots and slept == []
        holder = json.loads((folder / "GPU-a.lock").read_text())
    assert refused == [fcntl.LOCK_EX | fcntl.LOCK_NB]
    assert (holder["results"], holder["suite"], holder["pid"]) == (
        str(Path("results").resolve()),
        "ours",
        os.getpid(),
    )
    assert holder["started"].endswith("+00:00") and len(holder["started"]) == len(HOLDER.started)


def test_a_lock_that_cannot_be_written_is_given_back(folder: Path, monkeypatch):
    def full(*_):
        raise denied(errno.ENOSPC)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(ResultsError) as caught, lease(CHOICE, Path("results"), "ours"):
            pass
    assert caught.value.what == f"cannot write the lock {folder}/GPU-a.lock: No space left on device"
    with lease(CHOICE, Path("results"), "ours") as leased:
        assert leased.note == ""


def test_a_gpu_that_is_held_has_a_way_out(folder: Path):
    with lease(CHOICE, Path("results"), "first"):
        with pytest.raises(ResultsError) as caught, lease(CHOICE, Path("results"), "second"):
            pass
        held = json.loads((folder / "GPU-a.lock").read_text())
    assert caught.value.what == f"gpu:0 is in use by {Holder(**held)}" and held["suite"] == "first"
    assert caught.value.way_out == "Wait for it, or name other devices with --devices."


def test_where_locks_are(tmp_path: Path, monkeypatch):
    assert (Path("/run/lock/leukobench"), Path("/tmp/leukobench-leases")) == leases._FOLDERS
    (tmp_path / "file").touch()
    monkeypatch.setenv("LEUKOBENCH_LEASES", str(tmp_path / "file" / "below"))
    with pytest.raises(ResultsError) as caught:
        lease_folder()
    assert (
        caught.value.what
        == f"there is no folder for the locks on GPUs ({tmp_path}/file/below: Not a directory)"
    )
    assert caught.value.way_out == "Set LEUKOBENCH_LEASES to a folder that all users of these GPUs share."
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("LEUKOBENCH_LEASES", str(tmp_path / "link"))
    with pytest.raises(ResultsError, match="no folder for the locks"):
        lease_folder()


def test_a_kernel_that_does_not_tell_when_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_BOOT_ID", tmp_path / "boot_id")
    assert leases._boot_id() == ""
    (tmp_path / "boot_id").write_text("0a-1b\n")
    assert leases._boot_id() == "0a-1b"
