"""What has to be installed on a side: what was asked for, and what `wbc` needs beside it."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import metadata

from bench.trials.runtime import BACKENDS
from wbc import REQUIREMENTS

TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu")
"""Distributions that hold TensorFlow."""

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?")


def name_of(requirement: str) -> str:
    """The distribution that a requirement is for, in the usual spelling; empty for a path or an address."""
    match = _NAME.match(requirement)
    if match is None or "://" in requirement.split("@")[0] or requirement.lstrip().startswith((".", "/")):
        return ""
    return normal(match[1])


def names_of(requirements: Iterable[str]) -> set[str]:
    """The distributions that requirements name; who names one of TensorFlow's builds means them all."""
    named = {name_of(one) for one in requirements}
    return named | set(TENSORFLOWS) if named & set(TENSORFLOWS) else named


def normal(name: str) -> str:
    """The spelling in which names of distributions compare."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements_of(asked: Sequence[str], backends: Collection[str], gpu: bool) -> list[str]:
    """Everything that a side needs, as requirements.

    Args:
        asked: What the user asked for, such as `tensorflow==2.20.0`.
        backends: The backends of Keras that the suite's trials use; those that nobody named are added.
        gpu: Trials run on GPUs; else `tensorflow` means the smaller `tensorflow-cpu`.
    """
    wanted = [_flavoured(one, gpu) for one in asked]
    named = {name_of(one) for one in wanted}
    for backend in backends:
        holders = TENSORFLOWS if backend == "tensorflow" else BACKENDS[backend].distributions
        if not named & set(holders):
            wanted.append(_flavoured(backend, gpu))
    return [*wanted, *wbc_requirements(named)]


def wbc_requirements(named: Collection[str] = ()) -> list[str]:
    """What `wbc` needs, within leukobench's bounds; of what is named already, the bounds alone."""
    try:
        known = [requirement.split(";")[0].strip() for requirement in metadata.requires("leukobench") or ()]
    except metadata.PackageNotFoundError:
        known = []
    bounds = {name_of(one): one for one in known}
    return [bounds.get(name, name) for name in REQUIREMENTS if name not in named or name in bounds]


def installed() -> dict[str, str]:
    """What is installed beside this process: name -> version."""
    found = {}
    for distribution in metadata.distributions():
        if name := distribution.metadata["Name"]:
            found.setdefault(normal(name), distribution.version)
    return found


def preferences(versions: Mapping[str, str], asked: Iterable[str]) -> str:
    """Versions that a side takes where they fit, so that only what was asked for differs; as pinned lines."""
    named = names_of(asked)
    lines = [f"{name}=={version}" for name, version in sorted(versions.items()) if name not in named]
    return "\n".join([*lines, ""])


def differing(baseline: Mapping[str, str], candidate: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Distributions whose versions differ: name -> both versions, empty where it is missing."""
    names = sorted({*baseline, *candidate})
    return {
        name: (baseline.get(name, ""), candidate.get(name, ""))
        for name in names
        if baseline.get(name) != candidate.get(name)
    }


def _flavoured(requirement: str, gpu: bool) -> str:
    """`tensorflow==2.20.0` as the build for this machine."""
    match = _NAME.match(requirement)
    if match is None or match[2] or name_of(requirement) not in ("tensorflow", "tf-nightly"):
        return requirement.strip()
    rest = requirement[match.end() :].strip()
    return f"{match[1]}[and-cuda]{rest}" if gpu else f"{match[1]}-cpu{rest}"
