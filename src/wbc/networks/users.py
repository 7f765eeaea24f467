"""Networks of users: `{ name = "MyNet", build = "package.module:function" }`. Free of Keras.

`build` names a function that returns a `keras.Model`. It is called as `function(input_shape, classes,
**options)`. `input_shape` is height, width and number of colors of the images. `classes` is the number of
classes, or None for the network without its top. `options` are all other keys of the backbone.

`preprocess` may name a function `function(pixels)` that scales a float32 array of RGB images, shape (images,
height, width, 3), values 0 to 255. Without it, pixels are scaled to -1 to 1.

The user's code is not imported before a network is built.
"""

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from wbc.errors import InputError, did_you_mean, reason_of
from wbc.files import file_sha256, plain_letters
from wbc.networks.network import Network

BUILD, PREPROCESS = "build", "preprocess"
"""The keys of a backbone that name functions. All other keys are passed to the first one."""

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._]*")
_EXAMPLE = 'Write it as "package.module:function", such as "my_networks:small".'


@dataclass(frozen=True)
class Reference:
    """A function of the user's and the module that defines it."""

    module: str
    function: str

    @classmethod
    def parse(cls, key: str, text: Any) -> "Reference":
        """Parse `package.module:function`; InputError for anything else."""
        if not isinstance(text, str) or not _REFERENCE.fullmatch(text):
            raise InputError(f"{key} is {text!r}, which does not name a function of a module", _EXAMPLE)
        return cls(*text.split(":"))

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"

    def source(self) -> Path:
        """The file of the module, found without importing it or its parent packages.

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
            f"Searched in {Path.cwd()}, on PYTHONPATH and among the installed packages.",
        )

    def check(self) -> None:
        """Look for the function in the module's source, without importing it.

        Raises:
            InputError: The source is not valid Python, or does not define the function.
        """
        file = self.source()
        if file.suffix != ".py":
            return
        try:
            names = _names_of(ast.parse(file.read_bytes()))
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            raise InputError(f"{file}{line} is not valid Python: {getattr(error, 'msg', error)}") from None
        if self.function not in names and "*" not in names and "__getattr__" not in names:
            raise InputError(
                f"the module {self.module} ({file}) has no function {self.function}",
                did_you_mean(self.function, sorted(names)) or _EXAMPLE,
            )

    def load(self) -> Callable[..., Any]:
        """Import the module and return the function.

        Raises:
            InputError: The module cannot be imported, or has no such function.
        """
        if str(Path.cwd()) not in sys.path and "" not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            module = importlib.import_module(self.module)
        # The import runs the user's code, which may raise anything.
        except Exception as error:
            raise InputError(f"the module {self.module} cannot be imported: {reason_of(error)}") from error
        function: Callable[..., Any] | None = getattr(module, self.function, None)
        if not callable(function):
            raise InputError(f"the module {self.module} has no function {self.function}", _EXAMPLE)
        return function


@dataclass(frozen=True, eq=False)
class UserNetwork(Network):
    """A network of the user's. Only its function checks its options."""

    build: Reference = field(kw_only=True)
    """The function that builds it."""
    preprocess: Reference | None = field(default=None, kw_only=True)
    """The function that scales pixels for it; None for a range of -1 to 1."""

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options, which must be plain values."""
        for name, value in options.items():
            if not _is_plain(value):
                raise InputError(
                    f"{name} of {self.name} is {value!r}", "Options are numbers, strings and lists."
                )
        return dict(options)

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the function besides shape and classes."""
        return {name: value for name, value in options.items() if name not in (BUILD, PREPROCESS)}

    def label(self, options: Mapping[str, Any]) -> str:
        """As for every network. Characters that do not suit a file name are replaced."""
        words = [self.name]
        for name, value in self.arguments(options).items():
            text = re.sub(r"[^A-Za-z0-9.]+", "_", plain_letters(str(value))).strip("_")
            words.append((name if value else f"no_{name}") if isinstance(value, bool) else f"{name}{text}")
        return "-".join(words)[:100]

    def backbone_labels(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The label under which a weights folder may have weights of the backbone."""
        return (self.label(options),)

    def sources(self) -> dict[str, str]:
        """SHA-256 of the file of each named module. Other files that it imports are not included.

        Raises:
            InputError: A module or its function does not exist.
        """
        references = [reference for reference in (self.build, self.preprocess) if reference is not None]
        for reference in references:
            reference.check()
        return {reference.module: file_sha256(reference.source()) for reference in references}


def user_network(name: str, options: Mapping[str, Any]) -> UserNetwork:
    """The network that the option `build` describes.

    Raises:
        InputError: `build` or `preprocess` does not name a function, or the name does not suit a file name.
    """
    build = Reference.parse(BUILD, options[BUILD])
    preprocess = Reference.parse(PREPROCESS, options[PREPROCESS]) if PREPROCESS in options else None
    if not _NAME.fullmatch(name):
        raise InputError(f"a network cannot be called {name!r}", "Use letters, digits, dots and underscores.")
    return UserNetwork(name, build.module, native_size=1, min_size=1, build=build, preprocess=preprocess)


def _names_of(tree: ast.AST) -> set[str]:
    """The names that a module defines or imports at its top level; `*` for a star import."""
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


def _find_top(name: str) -> ModuleSpec | None:
    """Where a top-level module is. Finding it imports nothing."""
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # such as a module without a spec
        return None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, bool | int | float | str)
