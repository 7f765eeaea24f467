"""Every kind of error that ends a command, and its exit code.

    InputError, in `wbc.errors`   2     what the user gave is wrong
    ResultsError                  5     results, or a service that keeps them, cannot be used
      InUse                       2     another run uses them, or a device
      DamagedAttempt, DamagedFile 5     files of one attempt cannot be read
      DiskError                   5     the disk is full, or a file cannot be used
    InterruptedRun                130, 143

Other kinds, such as `bench.devices.nvml.NvmlError`, are handled where they arise. Anything else is a bug, and
ends with 5 and a traceback.
"""

import errno
from enum import IntEnum

from wbc.errors import InputError, command, shortened, two_sentences

__all__ = [
    "DamagedAttempt",
    "DamagedFile",
    "DiskError",
    "ExitCode",
    "InUse",
    "InputError",
    "InterruptedRun",
    "ResultsError",
    "command",
    "exit_code_of",
]


class ExitCode(IntEnum):
    """Exit codes of the process."""

    OK = 0
    FINDINGS = 1
    """A regression, or a data set with leaks or unreadable images."""
    REGRESSION = FINDINGS
    WRONG_INPUT = 2
    TRIALS_FAILED = 3
    NOT_ENOUGH_EVIDENCE = 4
    OUR_FAILURE = 5
    SIGINT = 130
    SIGTERM = 143


class ResultsError(Exception):
    """The results, or a service that keeps them, cannot be used: not writable, disk full, no answer.

    Args:
        what: One sentence that says what is wrong and where.
        way_out: What to do about it; empty when the sentence already says it.
    """

    exit_code = ExitCode.OUR_FAILURE

    def __init__(self, what: str, way_out: str = ""):
        self.what, self.way_out = shortened(what), shortened(way_out)
        super().__init__(self.what)

    def __str__(self) -> str:
        return two_sentences(self.what, self.way_out)


class InUse(ResultsError):
    """Another run uses the results folder or a device: choose another one, or wait."""

    exit_code = ExitCode.WRONG_INPUT


class DamagedAttempt(ResultsError):
    """The files of one attempt cannot be read. Other attempts are not affected."""


class DamagedFile(DamagedAttempt):
    """One file of an attempt is damaged.

    Args:
        path: The file.
        reason: What is wrong, with the field and what it should hold.
    """

    def __init__(self, path: object, reason: str):
        super().__init__(f"{path} is damaged: {reason}")
        self.reason = reason


class DiskError(ResultsError):
    """The operating system refuses to read or write a file, for a reason that a person can remove."""

    FULL = (errno.ENOSPC, errno.EDQUOT)
    UNUSABLE = (
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EEXIST,  # a file where a folder is to be made
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.EIO,
        errno.ELOOP,
        errno.EINTR,  # a folder on a network, where Python does not ask again
        errno.ESTALE,
    )

    @classmethod
    def of(cls, error: OSError) -> "DiskError | None":
        """The same error in words; None where only a traceback can explain it."""
        if error.errno in cls.FULL:
            where = f" ({error.filename})" if error.filename else ""
            return cls(
                f"cannot write{where}: {error.strerror}",
                "Free some space, then repeat the command; a run without --fresh resumes.",
            )
        if error.errno in cls.UNUSABLE:
            where = f"{error.filename}: " if error.filename else ""
            return cls(f"a file or folder cannot be used: {where}{error.strerror}")
        return None


class InterruptedRun(BaseException):
    """A signal asked the harness to stop; its exit code is 128 and the number of the signal.

    A BaseException, as KeyboardInterrupt is: a handler of errors must not swallow it.
    """

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = ExitCode(128 + signal_number)


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code that an error leads to."""
    if isinstance(error, InputError):
        return ExitCode.WRONG_INPUT
    if isinstance(error, ResultsError | InterruptedRun):
        return error.exit_code
    return ExitCode.SIGINT if isinstance(error, KeyboardInterrupt) else ExitCode.OUR_FAILURE
