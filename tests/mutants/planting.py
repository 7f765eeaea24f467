"""Mutants: small planted defects, made by the operators of cosmic-ray."""

import ast
import random
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.exceptions import CosmicRayTestingException
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names
from parso.python.tree import Name, PythonNode
from parso.tree import NodeOrLeaf

LEFT_OUT = ("bench/pages", "src/wbc/data/synthetic")
"""What is looked at, not asserted: how pages are written, and the drawings of synthetic cells."""

_NOT_USED = (
    "Variable",  # they need names
    "BitOr_",  # mostly unions of types
    *("_BitOr", "_BitAnd", "_BitXor", "_RShift", "_LShift", "_Invert", "_UAdd"),  # absurd, so always noticed
    "_Is",  # `==` for `is` of singletons changes nothing
)

_CHECKED_OTHERWISE = {"frozen", "kw_only", "gc"}
"""Arguments whose `True` or `False` changes nothing here: mypy refuses what the first two forbid, and `gc` is speed.
`strict` of `zip` is another one: it would only find a mistake."""


@dataclass(frozen=True)
class Mutant:
    """One defect."""

    path: str
    """Of the module, relative to the repository."""
    line: int
    """From 1."""
    operator: str
    occurrence: int
    """Which place of the module that the operator can change, from 0."""
    code: str
    """The line as it is, without its indentation."""

    @property
    def room(self) -> str:
        """The folder that figures are given for: `bench/compare`, `src/wbc/data`."""
        return "/".join(Path(self.path).parent.parts[: 3 if self.path.startswith("src") else 2])

    @property
    def name(self) -> str:
        """Stays the same while the module does."""
        return f"{self.path}:{self.line} {self.operator.removeprefix('core/')} {self.occurrence}"

    def plant(self, source: str) -> str | None:
        """The module with the defect; None where it has no such place."""
        code: str | None = mutate_code(source, _operator(self.operator), self.occurrence)
        return code


class _Exceptions(ExceptionReplacer):
    """cosmic-ray's own cannot replace an exception with a dot, such as `csv.Error`."""

    def mutate(self, node: PythonNode, index: int) -> PythonNode:
        name = self._name_nodes(node)[index]
        replaced = Name(CosmicRayTestingException.__name__, name.start_pos, name.get_first_leaf().prefix)
        name.parent.children[name.parent.children.index(name)] = replaced
        return node

    @staticmethod
    def _name_nodes(node: PythonNode) -> Sequence[NodeOrLeaf]:
        caught = node.children[1]
        listed = caught.children[1] if caught.type == "atom" else caught
        return listed.children[::2] if listed.type == "testlist_comp" else (listed,)


def _operator(name: str) -> Operator:
    return _Exceptions() if name == "core/ExceptionReplacer" else get_operator(name)()


class _Places(Visitor):
    """Collects every place that an operator can change, by line and column."""

    def __init__(self, path: str, lines: Sequence[str]) -> None:
        self.path = path
        self.lines = lines
        self.operators: dict[str, Operator] = {
            name: _operator(name) for name in operator_names() if not any(part in name for part in _NOT_USED)
        }
        self.found: dict[tuple[int, int], list[Mutant]] = defaultdict(list)
        self._seen: dict[str, int] = defaultdict(int)

    def visit(self, node: NodeOrLeaf) -> NodeOrLeaf:
        used = not _changes_nothing(node)
        for name, operator in self.operators.items():
            for start, _ in operator.mutation_positions(node):
                if used:
                    code = self.lines[start[0] - 1].strip()
                    self.found[start].append(Mutant(self.path, start[0], name, self._seen[name], code))
                self._seen[name] += 1
        return node


def _changes_nothing(node: NodeOrLeaf) -> bool:
    argument = node.parent
    if argument is None or argument.type != "argument" or node.type != "keyword":
        return False
    name = argument.children[0].get_code().strip()
    call = argument.search_ancestor("trailer")
    called = call.get_previous_sibling() if call else None
    in_zip = called is not None and called.get_code().strip() == "zip"
    return name in _CHECKED_OTHERWISE or (name == "strict" and in_zip)


def places_of(repository: Path, path: str) -> list[list[Mutant]]:
    """The mutants of a module, those of one place together."""
    source = (repository / path).read_text()
    places = _Places(path, source.splitlines())
    places.walk(get_ast(source))
    return list(places.found.values())


def modules(repository: Path) -> list[str]:
    """Every module that is judged."""
    found = [path for folder in ("bench", "src/wbc") for path in (repository / folder).rglob("*.py")]
    names = sorted(str(path.relative_to(repository)) for path in found)
    return [name for name in names if not name.startswith(LEFT_OUT)]


def runs_at_import(source: str, line: int) -> bool:
    """Whether a line is in no function's body."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return not any(node.body[0].lineno <= line <= node.body[-1].end_lineno for node in functions)


def sample(places: Iterable[Sequence[Mutant]], count: int, seed: int) -> list[Mutant]:
    """One mutant of each of so many places.

    Chance depends on the seed and the place's own line: where code changes, the rest of the sample stays.
    """
    same_line: Counter[tuple[str, str]] = Counter()
    drawn = []
    for place in places:
        line = (place[0].path, place[0].code)
        chance = random.Random(f"{seed} {line} {same_line[line]}")
        same_line[line] += 1
        drawn.append((chance.random(), chance.choice(place)))
    return [mutant for _, mutant in sorted(drawn, key=lambda one: one[0])[:count]]


def changed_lines(repository: Path, since: str) -> dict[str, set[int]]:
    """Module -> lines that were added or changed since a commit, uncommitted ones too."""
    command = ["git", "diff", "--unified=0", "--no-color", since, "--", "bench", "src/wbc"]
    text = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    lines: dict[str, set[int]] = defaultdict(set)
    path = ""
    for line in text.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif line.startswith("@@ "):
            first, _, count = line.split()[2].removeprefix("+").partition(",")
            lines[path] |= set(range(int(first), int(first) + int(count or 1)))
    return lines
