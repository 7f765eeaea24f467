"""What differs between the sides besides what is measured: packages, code, kernel."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bench.compare.measurement import Measurement
from bench.compare.verdict import Change

VARYING = ("visible_gpus", "gpus", "host", "hostname", "time", "pid", "command", "dirty")
"""Parts of an environment that say nothing of the software, or differ with every run."""

PACKAGES = "packages."

PROVENANCE = ("packages", "commit", "leukobench", "driver", "cuda_driver")
"""Parts of a record's provenance that say something of the software."""


def changes_between(
    baseline: Iterable[Measurement],
    candidate: Iterable[Measurement],
    known: Mapping[str, tuple[str, str]] | None = None,
) -> tuple[Change, ...]:
    """Everything that the records say of the sides' software and that is not the same on both.

    Args:
        baseline: Measurements of the old side.
        candidate: Of the new one.
        known: Further differences, from whoever made the environments; name -> both.
    """
    old, new = _software(baseline), _software(candidate)
    listed = all(any(name.startswith(PACKAGES) for name in side) for side in (old, new))
    found = {
        name.removeprefix(PACKAGES): (_joined(old.get(name)), _joined(new.get(name)))
        for name in dict.fromkeys((*old, *new))
        # What only one side tells of was not recorded then, unless both list their packages.
        if old.get(name) != new.get(name)
        and ((name in old and name in new) or (listed and name.startswith(PACKAGES)))
    }
    spelt = {_canonical(name): name for name in found}
    for name, both in (known or {}).items():
        found[spelt.get(_canonical(name), name)] = both
    for name, both in list(found.items()):
        # `tensorflow-cpu` is TensorFlow, which its own version says already.
        if name.endswith("-cpu") and found.get(name.removesuffix("-cpu")) == both:
            del found[name]
    return tuple(Change(name, old or "none", new or "none") for name, (old, new) in sorted(found.items()))


def _canonical(name: str) -> str:
    """A distribution's name, however it is spelt."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _software(measurements: Iterable[Measurement]) -> dict[str, set[str]]:
    said: dict[str, set[str]] = {}
    for one in measurements:
        record = one.record
        runtime = {
            name: value for name, value in record["trial"].get("runtime", {}).items() if name != "device"
        }
        content = runtime | (record.get("environment") or {}) | _provenance(record)
        for name, value in content.items():
            if name == "packages" and isinstance(value, dict):
                for package, version in value.items():
                    said.setdefault(PACKAGES + package, set()).add(str(version))
            elif name not in VARYING and isinstance(value, str | int | float | bool):
                said.setdefault(name, set()).add(str(value))
    # A package's own version is said twice: by its backend and by the list.
    return {name: values for name, values in said.items() if PACKAGES + name not in said}


def _provenance(record: dict[str, Any]) -> dict[str, Any]:
    """What it says of software: packages, the harness' own state, drivers."""
    provenance = record.get("provenance") or {}
    machine = provenance.get("machine")
    content = {**provenance, **(machine if isinstance(machine, dict) else {})}
    return {name: content[name] for name in PROVENANCE if content.get(name)}


def _joined(values: set[str] | None) -> str:
    return ", ".join(sorted(values)) if values else ""
