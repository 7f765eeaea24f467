"""The harness: suites, scheduling, recording and reporting of training runs.

The names in `__all__` are the public interface, see `bench.interface`.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from bench.version import __version__ as __version__

if TYPE_CHECKING:
    from bench.interface import (
        Choices,
        InputError,
        InterruptedRun,
        PlannedTrial,
        Record,
        Results,
        ResultsError,
        Suite,
        Thresholds,
        Verdict,
        compare,
        load_results,
        load_suite,
        plan,
        regress,
        run,
    )

__all__ = [
    "Choices",
    "InputError",
    "InterruptedRun",
    "PlannedTrial",
    "Record",
    "Results",
    "ResultsError",
    "Suite",
    "Thresholds",
    "Verdict",
    "compare",
    "load_results",
    "load_suite",
    "plan",
    "regress",
    "run",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bench import interface  # only now: the command line and workers need none of it

    return getattr(interface, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `bench.plan`, `bench.compare` and `bench.regress` functions.

    Python would set the folders of these names in their place as soon as anything imports from one.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
