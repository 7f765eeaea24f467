"""What the documentation names is there, and what is there is named."""

import re
from pathlib import Path

from bench.suite.schema import (
    DataTable,
    DevicesTable,
    LimitsTable,
    MatrixBlock,
    ProfileTable,
    SuiteFile,
    SuiteTable,
    Table,
    TelemetryTable,
    TrainingAxes,
    WeightsTable,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLES: dict[str, type[Table]] = {
    "suite": SuiteTable,
    "data": DataTable,
    "training": TrainingAxes,
    "weights": WeightsTable,
    "devices": DevicesTable,
    "limits": LimitsTable,
    "telemetry": TelemetryTable,
    "profile": ProfileTable,
}


def documented(title: str) -> set[str]:
    """The keys in the first column of a section's table."""
    text = (DOCS / "suite.md").read_text()
    section = re.search(rf"^## `\[+{title}\]+`\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    rows = [line.split(" | ")[0] for line in section[1].splitlines() if line.startswith("| `")]
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_every_table_of_a_suite_has_a_section():
    assert set(SuiteFile.model_fields) == {*TABLES, "matrix"}


def test_every_key_of_a_suite_is_documented_and_no_other():
    for title, table in TABLES.items():
        assert documented(title) - {"preprocessing"} == set(table.model_fields) - {"preprocessing"}, title
    own = set(MatrixBlock.model_fields) - set(DataTable.model_fields) - set(TrainingAxes.model_fields)
    assert documented("matrix") == own
