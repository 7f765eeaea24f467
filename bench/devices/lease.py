"""Leases: two harnesses never train on one GPU.

A lease is a lock (flock) on a file named after the GPU, in a folder that all users of the machine share. The
kernel frees it when its holder dies, however it dies; the text of the file only tells others who holds it.
Containers that share GPUs but not that folder need LEUKOBENCH_LEASES to name one that they share.

A processor needs no lease. A second trial there is slower, while a second trial on a GPU fails for lack of
memory. `bench.devices.other_users` waits until a processor is quiet.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.errors import InUse, ResultsError

FOLDER = "LEUKOBENCH_LEASES"
"""Environment variable: the folder of the lock files."""

_FOLDERS = (Path("/run/lock/leukobench"), Path("/tmp/leukobench-leases"))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TRIES, _PAUSE_S = 50, 0.02
"""Another harness that is between two system calls needs no longer."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease; the text of its file."""

    pid: int
    """Process of the harness."""
    boot_id: str
    """Of the running kernel: after a restart of the machine, an old text is not valid any more."""
    started: str
    """When the lease was taken, in UTC."""
    results: str
    """The results folder that is written to."""
    suite: str
    """The suite that is run."""

    def __str__(self) -> str:
        return f"process {self.pid}, which runs {self.suite} into {self.results} since {self.started}"


@dataclass(frozen=True)
class Leased:
    """What a run may use."""

    slots: tuple[Slot, ...]
    """The chosen slots that were free and are held now; slots of a processor are always free."""
    taken: dict[str, str]
    """Name of each other GPU, such as `gpu:1`, and who holds it."""

    @property
    def note(self) -> str:
        """A sentence on the GPUs that others hold; empty if there are none."""
        return " ".join(f"{name} is in use by {holder}." for name, holder in self.taken.items())


@contextmanager
def lease(choice: Choice, results: Path, suite: str) -> Iterator[Leased]:
    """Hold the GPUs of the chosen slots, as many as are free; release them at the end.

    The locks belong to open files, which processes started through `subprocess` do not inherit.

    Args:
        choice: The slots. If the user named GPUs, all of them are needed; else one slot is enough.
        results: The results folder, for others to know.
        suite: Name of the suite, for others to know.

    Raises:
        InUse: A GPU that was named, or every one, is in use by another run.
        ResultsError: The lock files cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = Holder(os.getpid(), _boot_id(), now, str(results.resolve()), suite)
    had: list[Slot] = []
    taken: dict[str, str] = {}
    with ExitStack() as held:
        for slot in choice.slots:
            with ExitStack() as tried:
                refused = {}
                for device in slot.devices:
                    if device.kind == "gpu" and (other := _take(device, holder, tried)):
                        refused[device.name] = other
                if not refused:
                    had.append(slot)
                    held.push(tried.pop_all())
                taken |= refused
        leased = Leased(tuple(had), taken)
        if not had or (choice.named and taken):
            raise InUse(leased.note.rstrip("."), "Wait for it, or name other devices with --devices.")
        yield leased


def lease_folder() -> Path:
    """The folder of the lock files; created if it does not exist.

    An existing folder takes precedence over a new one, so that users with more rights find the same folder.

    Raises:
        ResultsError: There is none, and none can be created.
    """
    given = os.environ.get(FOLDER)
    folders = (Path(given),) if given else _FOLDERS
    problem = ""
    for make in (False, True):
        for folder in folders:
            if make:
                try:
                    folder.mkdir(parents=bool(given))
                    folder.chmod(0o1777)  # anyone may make files here, and remove none but their own
                except FileExistsError:
                    pass
                except OSError as error:
                    problem = f"{folder}: {error.strerror}"
            if folder.is_dir() and not folder.is_symlink():
                return folder
    raise ResultsError(
        f"there is no folder for the locks on GPUs ({problem})",
        f"Set {FOLDER} to a folder that all users of these GPUs share.",
    )


def _take(device: Device, holder: Holder, held: ExitStack) -> str:
    """Lock a GPU until `held` is closed; who holds it instead, or an empty string."""
    path = lease_folder() / f"{device.uuid}.lock"
    while True:
        file = _open(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            if (other := _read(path)) is None:
                continue  # released in the meantime
            return other
        if _same(file, path):
            break
        os.close(file)  # its last holder removed it between our open and our lock
    held.callback(_give_back, file, path)
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(asdict(holder)).encode(), 0)
    except OSError as error:
        raise ResultsError(f"cannot write the lock {path}: {error.strerror}") from None
    return ""


def _give_back(file: int, path: Path) -> None:
    # Removed while it is locked: whoever has it open already sees, once locked, that it is not the one at
    # the path. A file that another user left behind cannot be removed, and is used again.
    with suppress(OSError):
        os.ftruncate(file, 0)
        path.unlink()
    os.close(file)


def _open(path: Path) -> int:
    """Open a lock file, or make one that every user can open.

    Opened first without O_CREAT, which Linux (fs.protected_regular) refuses on other users' files in a sticky
    folder.
    """
    problem: OSError | None = None
    for _ in range(_TRIES):
        try:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            pass
        except OSError as error:  # perhaps its maker is about to open it to all
            problem = error
            time.sleep(_PAUSE_S)
            continue
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        except FileExistsError:
            continue
        except OSError as error:
            problem = error
            break
        os.fchmod(file, 0o666)  # whatever the umask
        return file
    why = problem.strerror if problem else "it comes and goes"
    raise ResultsError(f"cannot open the lock {path}: {why}")


def _same(file: int, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _read(path: Path) -> str | None:
    """Who holds a lock, in words; None where its file is gone."""
    for _ in range(_TRIES):
        try:
            holder = Holder(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            holder = None
        if holder and holder.boot_id == _boot_id():
            return str(holder)
        time.sleep(_PAUSE_S)  # locked, but its text is not written yet
    return "another run"


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
