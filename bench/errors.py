"""Exit codes, and the errors that lead to them."""

from enum import IntEnum

from wbc.errors import InputError

__all__ = ["DamagedAttempt", "ExitCode", "InputError", "InterruptedRun", "ResultsError"]


class ExitCode(IntEnum):
    """What the process ends with."""

    OK = 0
    REGRESSION = 1
    WRONG_INPUT = 2
    TRIALS_FAILED = 3
    NOT_ENOUGH_EVIDENCE = 4
    OUR_FAILURE = 5
    SIGINT = 130
    SIGTERM = 143


class ResultsError(Exception):
    """The results folder cannot be used: in use by another run, not writable, disk full."""


class DamagedAttempt(ResultsError):
    """The files of one attempt cannot be made sense of; others are not touched by that."""


class InterruptedRun(BaseException):
    """A signal asked the harness to stop.

    A BaseException, as KeyboardInterrupt is: no handler of errors may swallow it.
    """

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = ExitCode(128 + signal_number)
