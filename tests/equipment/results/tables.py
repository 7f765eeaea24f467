"""The tables of recorded trials, without a report around them."""

from collections.abc import Iterable

from bench.journal.results import SuiteResults
from bench.report.frame import configurations_frame, trials_frame
from bench.report.tables.summary import trial_tables
from bench.report.tables.table import Table


def make_tables(results: SuiteResults, trial_ids: Iterable[str]) -> list[Table]:
    """As `bench.report.tables.summary.trial_tables`."""
    trials = trials_frame(results, trial_ids)
    return trial_tables(results.suite, trials, configurations_frame(trials))
