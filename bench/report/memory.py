"""Memory of training by kind, computed from the network, beside what was measured."""

import pandas as pd

from bench.report.columns import NAMES, Column
from bench.report.costs import MEMORY_KINDS
from bench.report.frame import CONFIGURATION
from bench.report.tables import Table
from bench.report.writers import amount

_HEADINGS = {
    "optimizer": "optimiser",
    "feature_maps": "feature maps",
    "total": "together",
    "allocated": "as allocated",
}
_BYTES = amount("B", 1024)
_COLUMNS = {
    **{f"memory_{kind}": Column(_HEADINGS.get(kind, kind), _BYTES) for kind in MEMORY_KINDS},
    "allocator_peak_bytes": Column("allocator's peak", _BYTES),
    "residual_bytes": Column("residual", _BYTES),
    "process_peak_bytes": Column("process's peak", _BYTES),
    "device_peak_bytes": Column("GPU's peak", _BYTES),
}


def memory_table(suite: str, configurations: pd.DataFrame) -> Table | None:
    """A row a configuration; None where the memory of none is known by kind."""
    known = [name for name in _COLUMNS if name in configurations]
    if "memory_total" not in known:
        return None
    frame = configurations.loc[configurations["memory_total"].notna(), [*CONFIGURATION, "repeats", *known]]
    note = "Kinds are computed from the step and its batch. Residual: the peak less what it should be."
    return Table(f"{suite}: memory by kind", "memory", frame, {**NAMES, **_COLUMNS}, notes=(note,))
