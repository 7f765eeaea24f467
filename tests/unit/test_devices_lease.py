import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.devices import lease as leases
from bench.devices.device import Device
from bench.devices.lease import lease, lease_folder
from bench.devices.machine import Choice, Machine, choose_slots
from bench.errors import ResultsError

GPUS = tuple(Device("gpu", "NVIDIA", f"GPU-{letter}", index) for index, letter in enumerate("abcd"))
MACHINE = Machine("a processor", (0, 1), GPUS)
REPOSITORY = Path(__file__).resolve().parents[2]

HOLD = """
import sys
from pathlib import Path
from bench.devices.machine import choose_slots
from bench.devices.device import Device
from bench.devices.lease import lease
from bench.devices.machine import Machine
gpus = tuple(Device("gpu", "NVIDIA", f"GPU-{letter}", index) for index, letter in enumerate("abcd"))
choice = choose_slots(sys.argv[1], machine=Machine("a processor", (0,), gpus))
with lease(choice, Path("their-results"), "thesis"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(leases.FOLDER, str(tmp_path / "leases"))
    return tmp_path / "leases"


def chosen(wanted: str, per_trial: int = 1) -> Choice:
    return choose_slots(wanted, per_trial, MACHINE)


def take(choice: Choice):
    return lease(choice, Path("results"), "ours")


class Other:
    """Another harness, which holds GPUs until it is told to stop or killed."""

    def __init__(self, wanted: str):
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, wanted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self.process.stdout.readline() == b"held\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0


@pytest.fixture
def other():
    started = []

    def start(wanted: str) -> Other:
        started.append(Other(wanted))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def test_a_second_harness_is_told_who_holds_a_gpu(other):
    holder = other("gpu:1")
    with pytest.raises(ResultsError) as caught, take(chosen("gpu:0,gpu:1")):
        pass
    said = str(caught.value)
    assert f"gpu:1 is in use by process {holder.process.pid}, which runs thesis" in said
    assert "their-results" in said
    assert "gpu:0" not in said


def test_all_takes_what_is_free_and_says_who_has_the_rest(other):
    holder = other("gpu:1,gpu:2")
    with take(chosen("all")) as leased:
        assert [slot.name for slot in leased.slots] == ["gpu:0", "gpu:3"]
        assert set(leased.taken) == {"gpu:1", "gpu:2"}
        assert f"gpu:2 is in use by process {holder.process.pid}" in leased.note
    holder.stop()
    with take(chosen("all")) as leased:
        assert len(leased.slots) == 4
        assert leased.note == ""


def test_where_none_is_free_the_run_does_not_start(other):
    other("all")
    with pytest.raises(ResultsError, match="gpu:0 is in use"), take(chosen("all")):
        pass


def test_a_slot_of_two_gpus_needs_both_and_keeps_none_that_it_cannot_use(other, folder):
    other("gpu:1")
    with take(chosen("all", 2)) as leased:
        assert [slot.name for slot in leased.slots] == ["gpu:2+3"]
        with take(chosen("gpu:0")) as beside:
            assert [slot.name for slot in beside.slots] == ["gpu:0"]
    assert [path.name for path in folder.iterdir()] == ["GPU-b.lock"]


def test_a_killed_holder_leaves_a_file_but_no_lease(other, folder):
    other("gpu:0").kill()
    assert [path.name for path in folder.iterdir()] == ["GPU-a.lock"]
    with take(chosen("gpu:0")):
        assert json.loads((folder / "GPU-a.lock").read_text())["pid"] == os.getpid()
    assert list(folder.iterdir()) == []


def test_a_lease_is_given_back_when_the_run_fails(folder):
    with pytest.raises(RuntimeError), take(chosen("all")):
        raise RuntimeError
    assert list(folder.iterdir()) == []


def test_a_child_process_does_not_keep_the_lease():
    with take(chosen("gpu:0")):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with take(chosen("gpu:0")) as leased:
            assert leased.slots
    finally:
        child.communicate(b"\n")


def test_a_processor_takes_no_lease(folder):
    with take(chosen("cpu:2")) as leased, take(chosen("cpu:2")) as again:
        assert leased.slots == again.slots
    assert not folder.exists()


def test_a_text_from_before_the_last_restart_names_nobody(folder, monkeypatch):
    monkeypatch.setattr(leases, "_PAUSE_S", 0)
    with take(chosen("gpu:0")):
        path = folder / "GPU-a.lock"
        path.write_text(json.dumps({**json.loads(path.read_text()), "boot_id": "another"}))
        with pytest.raises(ResultsError, match="gpu:0 is in use by another run"), take(chosen("gpu:0")):
            pass


def test_every_user_can_use_folder_and_files(folder):
    umask = os.umask(0o077)
    try:
        with take(chosen("gpu:0")):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
            assert stat.S_IMODE((folder / "GPU-a.lock").stat().st_mode) == 0o666
    finally:
        os.umask(umask)


def test_a_link_in_place_of_a_lock_is_not_followed(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "_PAUSE_S", 0)
    precious = tmp_path / "precious"
    precious.write_text("keep")
    folder.mkdir()
    (folder / "GPU-a.lock").symlink_to(precious)
    with pytest.raises(ResultsError, match="cannot open the lock"), take(chosen("gpu:0")):
        pass
    assert precious.read_text() == "keep"


def test_a_folder_that_exists_goes_before_one_that_could_be_made(tmp_path, monkeypatch):
    monkeypatch.delenv(leases.FOLDER)
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(leases, "_FOLDERS", (first, second))
    second.mkdir()
    assert lease_folder() == second
    second.rmdir()
    assert lease_folder() == first
    monkeypatch.setattr(leases, "_FOLDERS", (tmp_path / "none" / "deep", second))
    assert lease_folder() == second
    monkeypatch.setattr(leases, "_FOLDERS", (tmp_path / "none" / "deep",))
    with pytest.raises(ResultsError, match="LEUKOBENCH_LEASES"):
        lease_folder()


def test_a_file_that_is_removed_between_opening_and_locking_is_no_lease(folder, monkeypatch):
    """Its last holder gave it back in that moment: a third run would lock a new file beside ours."""
    lock = fcntl.flock
    removals = [folder / "GPU-a.lock"]

    def removed_just_before(file, operation):
        if removals:
            removals.pop().unlink()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", removed_just_before)
    ours = f"in use by process {os.getpid()}"
    with take(chosen("gpu:0")), pytest.raises(ResultsError, match=ours), take(chosen("gpu:0")):
        pass


def test_never_two_holders_while_many_come_and_go():
    """Files are removed at each release: nobody may hold a lock on a file that is no longer there."""
    inside, overlaps, turns = [], [], []

    def come_and_go() -> None:
        while len(turns) < 300:
            try:
                with take(chosen("gpu:0")):
                    inside.append(1)
                    overlaps.append(len(inside))
                    turns.append(1)
                    inside.pop()
            except ResultsError:
                pass

    threads = [threading.Thread(target=come_and_go, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(turns) >= 300
    assert set(overlaps) == {1}
