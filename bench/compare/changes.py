"""What differs between the sides besides what is measured: packages, code, kernel."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.compare.measurement import Measurement
from bench.compare.verdict import Change

VARYING = ("visible_gpus", "gpus", "host", "hostname", "time", "pid", "command", "dirty")
"""Parts of an environment that say nothing of the software, or differ with every run."""


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
    found = {
        name: (_joined(old.get(name)), _joined(new.get(name)))
        for name in dict.fromkeys((*old, *new))
        # What only one side tells of was not recorded then, unless it is a package.
        if old.get(name) != new.get(name) and (name in old) + (name in new) > ("." not in name)
    }
    found |= known or {}
    return tuple(
        Change(name.removeprefix("packages."), before or "none", after or "none")
        for name, (before, after) in sorted(found.items())
    )


def _software(measurements: Iterable[Measurement]) -> dict[str, set[str]]:
    said: dict[str, set[str]] = {}
    for one in measurements:
        record = one.record
        runtime = {
            name: value for name, value in record["cell"].get("runtime", {}).items() if name != "device"
        }
        content = runtime | (record.get("environment") or {}) | _provenance(record)
        for name, value in content.items():
            if name == "packages" and isinstance(value, dict):
                for package, version in value.items():
                    said.setdefault(f"packages.{package}", set()).add(str(version))
            elif name not in VARYING and isinstance(value, str | int | float | bool):
                said.setdefault(name, set()).add(str(value))
    # A package's own version is said twice: by its backend and by the list.
    return {name: values for name, values in said.items() if f"packages.{name}" not in said}


def _provenance(record: dict[str, Any]) -> dict[str, Any]:
    provenance = record.get("provenance") or {}
    kept = {"packages": provenance["packages"]} if isinstance(provenance.get("packages"), dict) else {}
    commit = provenance.get("commit") or provenance.get("git_commit")
    return kept | ({"commit": commit} if commit else {})


def _joined(values: set[str] | None) -> str:
    return ", ".join(sorted(values)) if values else ""
