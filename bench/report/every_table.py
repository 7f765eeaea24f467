"""All tables of a report."""

import pandas as pd

from bench.report.tables.accuracy import accuracy_tables, classification_table
from bench.report.tables.contrasts import contrast_tables
from bench.report.tables.costs import cost_table, memory_table, overhead_table, time_tables
from bench.report.tables.reference import reference_tables
from bench.report.tables.summary import trial_tables
from bench.report.tables.table import Table


def every_table(
    suite: str, trials: pd.DataFrame, configurations: pd.DataFrame, reference: str | None = None
) -> list[Table]:
    """The tables of a suite, those that a run prints first.

    Args:
        suite: Its name.
        trials: See `bench.report.frame.trials_frame`.
        configurations: See `bench.report.frame.repeats_frame`.
        reference: Published figures to set ours beside, one of `bench.report.reference.REFERENCES`.
    """
    tables = trial_tables(suite, trials, configurations)
    if not len(configurations):
        return tables
    tables += accuracy_tables(suite, configurations)
    classification = classification_table(suite, configurations)
    tables += [classification] if classification else []
    tables += time_tables(suite, trials, configurations)
    cost = cost_table(suite, trials, configurations)
    memory = memory_table(suite, configurations)
    watching = overhead_table(suite, trials)
    tables += [table for table in (cost, memory, watching) if table is not None]
    tables += contrast_tables(suite, configurations)
    if reference:
        tables += reference_tables(suite, trials, configurations)
    return tables
