"""Records as the plain tables of before, until every room reads the types of `bench.trials.record`."""

import json
from typing import Any

from bench.trials.record import Record, record_to_json

_BEFORE = {"neighbors": "neighbours", "utilization": "utilisation"}
"""Key of a record -> what it was called before."""


def plain(record: Record) -> dict[str, Any]:
    """The record as plain tables and lists."""
    content = json.loads(json.dumps(record_to_json(record)))
    for table in (content, content["phases"]):
        for key, before in _BEFORE.items():
            if key in table:
                table[before] = table.pop(key)
    for metrics in (content["test"], *(content["evaluations"] or {}).values()):
        if metrics is not None and metrics["intervals"] is None:
            del metrics["intervals"]
    return content


def typed(content: dict[str, Any]) -> dict[str, Any]:
    """A plain table with the keys of a record."""
    renamed = {before: key for key, before in _BEFORE.items()}
    content = {renamed.get(key, key): value for key, value in content.items()}
    phases = {renamed.get(key, key): value for key, value in content["phases"].items()}
    return {**content, "phases": phases}
