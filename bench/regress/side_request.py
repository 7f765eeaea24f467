"""What a user asks of a side, and the side that comes of it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import InputError
from bench.regress.code import Code, revision, working_tree
from bench.regress.environments import Environments
from bench.regress.packages import installed, name_of, names_of, preferences, requirements_of
from bench.regress.sides import Side, SideName, look, modules_of
from bench.trials.trial import Trial


@dataclass(frozen=True)
class Ask:
    """What the command line says of a side; nothing at all means what is running now.

    Attributes:
        requirement: What it is about: `tensorflow==2.20.0`.
        beside: Further requirements: `keras==3.3.3`.
        python: An existing interpreter, in place of an environment.
        revision: A git revision of leukobench, in place of the working tree.
    """

    requirement: str | None = None
    beside: tuple[str, ...] = ()
    python: Path | None = None
    revision: str | None = None

    @property
    def requirements(self) -> tuple[str, ...]:
        """All requirements."""
        return (*(() if self.requirement is None else (self.requirement,)), *self.beside)

    @property
    def says_something(self) -> bool:
        """Whether the side is another than what is running."""
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
        """Raise InputError if it contradicts itself, or if something is given that is empty.

        What a script failed to find must not pass for this environment.
        """
        given = [(f"--{name}", self.requirement), *((f"--{name}-with", one) for one in self.beside)]
        for option, said in [*given, (f"--{name}-revision", self.revision)]:
            if said is not None and not said.strip():
                raise InputError(f"{option} is empty", "Give it a value, or leave it out.")
        if self.python and self.requirements:
            raise InputError(
                f"--{name}-python names an interpreter, into which nothing is installed: "
                f"{self.requirements[0]} cannot be asked for beside it",
                f"Give one of the two, --{name} REQUIREMENT or --{name}-python PATH.",
            )
        if self.beside and not self.requirement:
            raise InputError(
                f"--{name}-with adds to what --{name} asks for, which is not given",
                f"Give --{name} {self.beside[0]}.",
            )
        for one in self.requirements:
            place = any(mark in one for mark in ("/", "@", ".whl"))
            option = one.lstrip().startswith("-")  # it would be one of uv's
            if option or not one.isprintable() or not (name_of(one) or place):
                raise InputError(
                    f"--{name} {one!r} is no requirement", "Write it as for pip: tensorflow==2.21.0."
                )


@dataclass(frozen=True)
class SideMaker:
    """Makes sides out of what was asked for.

    Attributes:
        environments: Builds and keeps environments.
        cache: Cache in the results folder, for code.
        trials: The trials that both sides are to run.
        gpu: Whether they run on a GPU.
        say: Is told what takes time.
    """

    environments: Environments
    cache: Path
    trials: Sequence[Trial]
    gpu: bool
    say: Callable[[str], None]

    def both(self, asks: dict[SideName, Ask]) -> dict[SideName, Side]:
        """The sides that are asked for, both or the candidate alone; what has to be built may take minutes.

        Packages that nobody asked for are taken as they are installed here, and by the candidate as the
        baseline has them, where that is possible.

        Raises:
            InputError: A side cannot be had; nothing has run.
        """
        asked = [one for ask in asks.values() for one in ask.requirements]
        named = names_of(asked)
        preferred = installed()
        looked: dict[SideName, Side] = {}
        pins: dict[SideName, list[str]] = {}
        codes = {name: self._code(ask) for name, ask in asks.items()}
        # All that can go wrong quickly goes before what takes minutes.
        for name, ask in asks.items():
            if ask.requirements:
                wanted = requirements_of(ask.requirements, self._backends, self.gpu)
                pins[name] = self.environments.resolve(name, wanted, preferences(preferred, asked))
                there = dict(pin.split("==", 1) for pin in pins[name] if "==" in pin)
            else:
                looked[name] = self._look(name, ask, _interpreter(ask.python), codes[name], True)
                there = dict(looked[name].packages)
            preferred |= {package: version for package, version in there.items() if package not in named}
        for name in pins:
            code, ask = codes[name], asks[name]
            check = partial(self._look, name, ask, code=code, checked=True)
            interpreter = self.environments.build(name, pins[name], check)
            looked[name] = self._look(name, ask, interpreter, code, False)
        return looked

    @property
    def _backends(self) -> list[str]:
        return sorted({trial.settings.backend for trial in self.trials if trial.settings.backend})

    def _code(self, ask: Ask) -> Code:
        return revision(ask.revision, self.cache) if ask.revision else working_tree(self.cache)

    def _look(self, name: SideName, ask: Ask, interpreter: Path, code: Code, checked: bool) -> Side:
        return look(name, ask.label, interpreter, code, modules_of(self.trials) if checked else ())


def _interpreter(path: Path | None) -> Path:
    """An interpreter as an absolute path, its links left alone: a venv's link is what makes it a venv."""
    return Path(sys.executable) if path is None else path.expanduser().absolute()
