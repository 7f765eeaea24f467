"""Networks that users bring along: `{ name = "MyNet", build = "package.module:function" }`. Free of Keras.

`build` names a function that is called as `function(input_shape, classes, **options)`: height, width and
colours of the images; the number of classes, or None for the network without its top; and every other key of
the backbone. It returns a `keras.Model`. `preprocess` may name another, `function(pixels)`, which scales a
float32 array of RGB images, shape (images, height, width, 3), values 0 to 255; without it they are scaled to
-1 to 1. Nothing of theirs is imported before a network is built.
"""

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from wbc.errors import InputError, did_you_mean
from wbc.files import file_sha256
from wbc.networks.network import Network

BUILD, PREPROCESS = "build", "preprocess"
"""The keys of a backbone that name functions; all others are handed to the first one."""

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._]*")
_EXAMPLE = 'Write it as "package.module:function", such as "my_networks:small".'


@dataclass(frozen=True)
class Reference:
    """A function of a user's, by the module that defines it."""

    module: str
    function: str

    @classmethod
    def parse(cls, key: str, text: Any) -> "Reference":
        """Read `package.module:function`; InputError for anything else."""
        if not isinstance(text, str) or not _REFERENCE.fullmatch(text):
            raise InputError(f"{key} is {text!r}, which names no function of a module", _EXAMPLE)
        return cls(*text.split(":"))

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"

    def source(self) -> Path:
        """The file of the module, found without importing it or the packages around it.

        Raises:
            InputError: There is no such module in the current directory, on `PYTHONPATH` or installed.
        """
        top, *inner = self.module.split(".")
        # Python's own search for `package.module` would import the package.
        found = PathFinder.find_spec(top, [str(Path.cwd())]) or _find_top(top)
        if found is not None and not inner and found.has_location and found.origin:
            return Path(found.origin)
        if found is not None and inner:
            for folder in map(Path, found.submodule_search_locations or ()):
                below = folder.joinpath(*inner)
                for file in (below.with_name(f"{below.name}.py"), below / "__init__.py"):
                    if file.is_file():
                        return file
        raise InputError(
            f"there is no module {self.module}",
            f"It is looked for in {Path.cwd()}, on PYTHONPATH and among what is installed.",
        )

    def check(self) -> None:
        """Look for the function in the module's source, without importing it.

        Raises:
            InputError: The source is no Python, or has no such name at its outermost level.
        """
        file = self.source()
        if file.suffix != ".py":
            return
        try:
            names = _names_of(ast.parse(file.read_bytes()))
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
            raise InputError(f"{file}{line} is no Python: {getattr(error, 'msg', error)}") from None
        if self.function not in names and "*" not in names and "__getattr__" not in names:
            raise InputError(
                f"the module {self.module} ({file}) has no function {self.function}",
                did_you_mean(self.function, sorted(names)) or _EXAMPLE,
            )

    def load(self) -> Callable:
        """Import the module and take the function out of it.

        Raises:
            InputError: The module cannot be imported, or has no such function.
        """
        if str(Path.cwd()) not in sys.path and "" not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            module = importlib.import_module(self.module)
        # Importing runs the user's code, which may raise anything.
        except Exception as error:
            raise InputError(f"the module {self.module} cannot be imported: {_reason(error)}") from error
        function = getattr(module, self.function, None)
        if not callable(function):
            raise InputError(f"the module {self.module} has no function {self.function}", _EXAMPLE)
        return function


@dataclass(frozen=True, eq=False)
class UserNetwork(Network):
    """A network that a user brings along; its options are checked by nobody but its function.

    Attributes:
        build: The function that builds it.
        preprocess: The function that scales pixels for it; None for -1 to 1.
    """

    build: Reference | None = None
    preprocess: Reference | None = None

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options, which must be plain values."""
        for name, value in options.items():
            if not _is_plain(value):
                raise InputError(
                    f"{name} of {self.name} is {value!r}", "Options are numbers, words and lists."
                )
        return dict(options)

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the function gets beside shape and classes."""
        return {name: value for name, value in options.items() if name not in (BUILD, PREPROCESS)}

    def label(self, options: Mapping[str, Any]) -> str:
        """As of every network; what would not do in a file's name is left out of values."""
        words = [self.name]
        for name, value in self.arguments(options).items():
            text = re.sub(r"[^A-Za-z0-9.]+", "_", str(value)).strip("_")
            words.append((name if value else f"no_{name}") if isinstance(value, bool) else f"{name}{text}")
        return "-".join(words)[:100]

    def backbone_labels(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The label under which weights of the backbone may be filed."""
        return (self.label(options),)

    def sources(self) -> dict[str, str]:
        """SHA-256 of the file of each module that is named; other files that it imports are not followed.

        Raises:
            InputError: A module or its function is not there.
        """
        references = [reference for reference in (self.build, self.preprocess) if reference is not None]
        for reference in references:
            reference.check()
        return {reference.module: file_sha256(reference.source()) for reference in references}


def user_network(name: str, options: Mapping[str, Any]) -> UserNetwork:
    """The network that `build` among the options stands for.

    Raises:
        InputError: `build` or `preprocess` names no function, or the name would not do in a file's name.
    """
    build = Reference.parse(BUILD, options[BUILD])
    preprocess = Reference.parse(PREPROCESS, options[PREPROCESS]) if PREPROCESS in options else None
    if not _NAME.fullmatch(name):
        raise InputError(
            f"a network cannot be called {name!r}", "Its name has letters, digits, dots and underscores."
        )
    return UserNetwork(name, build.module, native_size=1, min_size=1, build=build, preprocess=preprocess)


def _names_of(tree: ast.AST) -> set[str]:
    """What a module defines or imports, functions' insides left out; `*` for what cannot be told."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            names |= _names_of(node)
    return names


def _find_top(name: str):
    """Where a top-level module is; finding it imports nothing."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # such as a module that was loaded by hand
        return None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, bool | int | float | str)


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
