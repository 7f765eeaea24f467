"""What a user asks of each side, and the sides that are made from it."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.errors import InputError
from bench.regress.environments import (
    Environments,
    installed,
    name_of,
    names_of,
    preferences,
    requirements_of,
)
from bench.regress.sides import Code, Side, SideName, inspect, modules_of, revision, working_tree
from bench.trials.trial import Trial

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.dev\d+)?")


@dataclass(frozen=True)
class SideRequest:
    """What is asked of a side; nothing at all means what is running now."""

    requirement: str | None = None
    """`tensorflow==2.20.0`, or a version alone."""
    more: tuple[str, ...] = ()
    """More requirements: `keras==3.3.3`."""
    python: Path | None = None
    """An existing interpreter, in place of an environment that is built."""
    revision: str | None = None
    """A git revision of leukobench, in place of the working tree."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """All requirements."""
        return (*(() if self.requirement is None else (of_version(self.requirement),)), *self.more)

    @property
    def asks_something(self) -> bool:
        """Whether the side is anything else than what is running."""
        return bool(self.requirements or self.python or self.revision is not None)

    @property
    def label(self) -> str:
        """The side in words."""
        words = list(self.requirements)
        if self.python:
            words.append(str(self.python))
        if self.revision:
            words.append(f"revision {self.revision}")
        return ", ".join(words) or "this environment"

    def check(self, name: SideName) -> None:
        """Raise InputError if it contradicts itself, or if something is given but empty.

        A value that a script failed to find must not mean this environment.
        """
        given = [(f"--{name}", self.requirement), *((f"--{name}-with", one) for one in self.more)]
        for option, value in [*given, (f"--{name}-revision", self.revision)]:
            if value is not None and not value.strip():
                raise InputError(f"{option} is empty", "Give it a value, or leave it out.")
        if self.python and self.requirements:
            raise InputError(
                f"--{name}-python gives an interpreter, into which nothing is installed, so "
                f"{self.requirements[0]} cannot be asked for as well",
                f"Give either --{name} REQUIREMENT or --{name}-python PATH.",
            )
        if self.more and not self.requirement:
            raise InputError(
                f"--{name}-with adds to what --{name} asks for, which is not given",
                f"Give --{name} {self.more[0]}.",
            )
        for one in self.requirements:
            check_requirement(one, f"--{name}")


def of_version(text: str) -> str:
    """A version alone as one of TensorFlow, the newest of its patches where it names none; else the text itself."""
    version = text.strip().removeprefix("v")
    if not _VERSION.fullmatch(version):
        return text
    newest = version.count(".") <= 1 and version.replace(".", "").isdigit()
    return f"tensorflow=={version}.*" if newest else f"tensorflow=={version}"


def check_requirement(one: str, option: str) -> None:
    """Raise InputError if it is no requirement.

    Args:
        one: The text.
        option: What it was given to.
    """
    is_place = any(mark in one for mark in ("/", "@", ".whl"))
    is_option = one.lstrip().startswith("-")  # uv would take it for one of its own
    if is_option or not one.isprintable() or not (name_of(one) or is_place):
        raise InputError(f"{option} {one!r} is no requirement", "Write it as for pip: tensorflow==2.21.0.")


THIS_ENVIRONMENT = SideRequest()


def make_sides(
    requests: Mapping[SideName, SideRequest],
    environments: Environments,
    cache: Path,
    trials: Sequence[Trial],
    gpu: bool,
) -> dict[SideName, Side]:
    """The sides that are asked for: both, or the candidate alone; see `make_chain`."""
    made = make_chain(list(requests.items()), environments, cache, trials, gpu)
    return dict(zip(requests, made, strict=True))


def make_chain(
    requests: Sequence[tuple[SideName, SideRequest]],
    environments: Environments,
    cache: Path,
    trials: Sequence[Trial],
    gpu: bool,
    titles: Sequence[str] | None = None,
) -> list[Side]:
    """The sides that are asked for. Building them may take minutes.

    Packages that nobody asked for have the versions that are installed here. Each side takes those of the side before
    it, where that is possible.

    Args:
        requests: Name of each side, and what is asked of it.
        environments: Builds and keeps environments.
        cache: The cache in the results folder, for code.
        trials: The trials that the sides will run.
        gpu: Whether they run on a GPU.
        titles: What messages call their environments; None: the names of the sides.

    Raises:
        InputError: A side cannot be made. No trial has run.
    """
    titles = titles or [name for name, _ in requests]
    backends = sorted({trial.settings.backend for trial in trials if trial.settings.backend})
    codes = [_code(request, cache) for _, request in requests]
    asked = [one for _, request in requests for one in request.requirements]
    named = names_of(asked)
    preferred = installed()
    pins: list[list[str]] = []
    sides: list[Side | None] = []
    looked_at: dict[tuple[Path, Code], Side] = {}
    # What can fail quickly comes before what takes minutes.
    for (name, request), code, title in zip(requests, codes, titles, strict=True):
        side = None
        if request.requirements:
            wanted = requirements_of(request.requirements, backends, gpu)
            pins.append(environments.resolve(title, wanted, preferences(preferred, asked)))
            there = dict(pin.split("==", 1) for pin in pins[-1] if "==" in pin)
        else:
            there_is = _interpreter(request.python), code
            if there_is not in looked_at:  # to look takes an import of TensorFlow
                looked_at[there_is] = inspect(name, request.label, *there_is, modules_of(trials))
            side = replace(looked_at[there_is], name=name, label=request.label)
            pins.append([])
            there = dict(side.packages)
        sides.append(side)
        preferred |= {package: version for package, version in there.items() if package not in named}
    return [
        side or _built(title, partial(inspect, name, request.label, code=code), pinned, environments, trials)
        for side, (name, request), code, pinned, title in zip(
            sides, requests, codes, pins, titles, strict=True
        )
    ]


def _built(
    title: str,
    look: Callable[..., Side],
    pins: Sequence[str],
    environments: Environments,
    trials: Sequence[Trial],
) -> Side:
    """A side in an environment of its own; `look` makes it from the interpreter."""
    check = partial(look, modules=modules_of(trials))
    return look(environments.build(title, pins, check))


def _code(request: SideRequest, cache: Path) -> Code:
    return revision(request.revision, cache) if request.revision else working_tree(cache)


def _interpreter(path: Path | None) -> Path:
    """An absolute path without following links: the link of a virtual environment is what makes it one."""
    return Path(sys.executable) if path is None else path.expanduser().absolute()
