"""What differs between the sides besides what is measured: the machine, and the software."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from bench.compare.measurement import Measurement
from bench.compare.verdict import Change
from bench.devices.device import Slot
from bench.devices.machine import Machine, find_machine
from bench.trials.record import Record

TITLES = {
    "kind": "kind of device",
    "model": "device",
    "replicas": "number of devices",
    "cores": "number of cores",
    "gpus": "GPUs",
    "memory_gb": "memory in GB",
    "host": "machine",
}
"""Field of a fingerprint -> its name in sentences."""

PACKAGES = "packages."


class Fingerprint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where something ran: times are compared only between equal fingerprints. What is unknown is None."""

    kind: str | None = None
    """`gpu` or `cpu`."""
    model: str | None = None
    """Of the device; of a whole machine its processor."""
    replicas: int | None = None
    """Devices that train a model together."""
    cores: int | None = None
    gpus: tuple[str, ...] | None = None
    """Models of all GPUs of a machine."""
    memory_gb: int | None = None
    host: str | None = None
    """See `bench.machine.calibration.fingerprint`."""

    def __bool__(self) -> bool:
        """Whether it tells anything."""
        return self != Fingerprint()

    @classmethod
    def of_machine(cls) -> "Fingerprint":
        """This machine, as it is kept with a saved baseline."""
        import psutil

        machine = find_machine()
        return cls(
            model=machine.processor,
            cores=len(machine.cores),
            gpus=tuple(sorted(gpu.model for gpu in machine.gpus)),
            memory_gb=round(psutil.virtual_memory().total / 2**30),
        )

    @classmethod
    def of_slot(cls, slot: Slot, machine: Machine) -> "Fingerprint":
        """Where a trial will run."""
        from bench.machine.calibration import fingerprint

        return cls(
            kind=slot.kind,
            model=slot.model,
            replicas=slot.replicas,
            cores=len(slot.cores),
            host=fingerprint(machine),
        )

    @classmethod
    def of_record(cls, record: Record) -> "Fingerprint":
        """Where an attempt ran, as far as its record tells."""
        slot, machine = record.slot, record.provenance.machine
        host = machine.fingerprint if machine else None
        if slot is None:
            return cls(host=host)
        return cls(kind=slot.kind, model=slot.model, replicas=slot.replicas, cores=len(slot.cores), host=host)

    def difference(self, other: "Fingerprint") -> str:
        """What differs, in words, of all that both know; empty if nothing does."""
        both = [(name, getattr(self, name), getattr(other, name)) for name in self.__struct_fields__]
        return ", ".join(
            f"{TITLES[name]} {_text(mine)} and {_text(its)}"
            for name, mine, its in both
            if mine is not None and its is not None and mine != its
        )


ANYWHERE = Fingerprint()
"""Tells nothing, so that it differs from no place."""


def device_difference(baseline: Sequence[Measurement], candidate: Sequence[Measurement]) -> str:
    """The first difference between the devices of two groups of measurements; empty if there is none."""
    for old in {Fingerprint.of_record(one.record): None for one in baseline}:
        for new in {Fingerprint.of_record(one.record): None for one in candidate}:
            if found := old.difference(new):
                return found
    return ""


def software_changes(
    baseline: Iterable[Measurement],
    candidate: Iterable[Measurement],
    known: Mapping[str, tuple[str, str]] | None = None,
) -> tuple[Change, ...]:
    """Everything in the records that tells of software and is not the same on both sides.

    Args:
        baseline: Measurements of the old side.
        candidate: Measurements of the new side.
        known: More differences, from whoever made the environments: name -> both values.
    """
    old, new = _software(baseline), _software(candidate)
    listed = all(any(name.startswith(PACKAGES) for name in side) for side in (old, new))
    found = {
        name.removeprefix(PACKAGES): (_joined(old.get(name)), _joined(new.get(name)))
        for name in dict.fromkeys((*old, *new))
        # What one side alone tells was not recorded on the other, unless both list their packages.
        if old.get(name) != new.get(name)
        and ((name in old and name in new) or (listed and name.startswith(PACKAGES)))
    }
    spellings = {_canonical(name): name for name in found}
    for name, both in (known or {}).items():
        found[spellings.get(_canonical(name), name)] = both
    for name, both in list(found.items()):
        # `tensorflow-cpu` is TensorFlow, whose own version is listed already.
        if name.endswith("-cpu") and found.get(name.removesuffix("-cpu")) == both:
            del found[name]
    return tuple(Change(name, old or "none", new or "none") for name, (old, new) in sorted(found.items()))


def _software(measurements: Iterable[Measurement]) -> dict[str, set[str]]:
    """Name -> all its values in the records of a side."""
    found: dict[str, set[str]] = {}
    for one in measurements:
        for name, value in _software_of(one.record).items():
            found.setdefault(name, set()).add(value)
    # The version of a package may be told twice: by its backend and by the list of packages.
    return {name: values for name, values in found.items() if PACKAGES + name not in found}


def _software_of(record: Record) -> dict[str, str]:
    environment = {} if record.environment is None else msgspec.to_builtins(record.environment)
    provenance, machine = record.provenance, record.provenance.machine
    told = {
        "commit": provenance.commit,
        "leukobench": provenance.leukobench,
        "driver": (machine.driver if machine else None) or provenance.driver,
        "cuda_driver": machine.cuda_driver if machine else None,
    }
    content: dict[str, Any] = {
        **{name: value for name, value in record.trial.runtime.versions().items() if name != "device"},
        **environment,
        **{PACKAGES + package: version for package, version in environment.get("packages", {}).items()},
        **{name: value for name, value in told.items() if value},
    }
    return {name: str(value) for name, value in content.items() if isinstance(value, str | int | float)}


def _canonical(name: str) -> str:
    """The name of a distribution, however it is spelled."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _joined(values: set[str] | None) -> str:
    return ", ".join(sorted(values)) if values else ""


def _text(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
