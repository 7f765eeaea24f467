"""One syncer at a time: whoever writes to MLflow from a results folder holds its lock meanwhile."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SyncLock:
    """The lock of a results folder's syncers; held for an attempt at a time, so that several take turns.

    It is also what keeps two processes from opening a fresh SQLite store at once, which destroys it.

    Args:
        results: The results folder.
    """

    def __init__(self, results: Path):
        self._path = results / ".mlflow.lock"
        self._token = uuid.uuid4().hex

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Wait for the lock.

        Yields:
            Whether another syncer held it since this one did: what was known of the store may be old.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            token = self._token.encode()
            foreign = os.pread(file, len(token), 0) != token
            if foreign:
                os.pwrite(file, token, 0)
            yield foreign
        finally:
            os.close(file)
