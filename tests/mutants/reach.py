"""Which unit tests reach a line, and how long each takes: measured once for each state of code and test module."""

import ast
import hashlib
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import coverage
from mutants.warm import Copy

TESTS = "tests/unit"

MOST_S = 1800
"""Of a module of tests."""


@dataclass(frozen=True)
class Reach:
    """What a run of all unit tests showed."""

    tests: dict[str, dict[int, list[str]]]
    """Module -> line -> the tests that reach it."""
    seconds: dict[str, float]
    """Test -> what it took."""
    importers: dict[str, set[str]]
    """Name of a module -> the modules and modules of tests that import it."""

    def of(self, path: str, line: int, most_s: float, at_import: bool = False) -> list[str]:
        """The tests that reach a line, quickest first, of so many seconds together or at least one.

        What runs when a module is imported, such as constants and decorators, is reached by all of its tests and by
        those of test modules that import it, and then by those of the modules that import it. Coverage knows of the
        first one only, if it imported the module, and of no test that only reads a constant.
        """
        if at_import:
            name = ".".join(Path(path.removeprefix("src/")).with_suffix("").parts)
            importers = self.importers.get(name, set())
            own = self._any_line(path) | {
                test for test in self.seconds if test.partition("::")[0] in importers
            }
            reaching = [own, set().union(*map(self._any_line, importers)) - own]
        else:
            # Where a line of constants has no event of its own, it is unknown which test reached it.
            reaching = [set(self.tests.get(path, {}).get(line, ())) or self._any_line(path)]
        chosen: list[str] = []
        total = 0.0
        for test in (test for tests in reaching for test in sorted(tests, key=self.took)):
            total += self.took(test)
            if chosen and total > most_s:
                break
            chosen.append(test)
        return chosen

    def _any_line(self, path: str) -> set[str]:
        return {test for tests in self.tests.get(path, {}).values() for test in tests}

    def took(self, test: str) -> float:
        """Seconds of a test, with what prepares it."""
        return self.seconds.get(test, 1.0)


def measure(copies: Sequence[Copy], work: Path) -> Reach:
    """Run the unit tests with coverage, but for the modules of tests that did so with the same code.

    They run as against mutants. A test that fails as it is would notice everything: it is named and left out.
    """
    work.mkdir(parents=True, exist_ok=True)
    folder = copies[0].folder
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)
    shared = [path for path in _python(folder, TESTS, "tests/equipment") if not path.name.startswith("test_")]
    code = {
        str(path.relative_to(folder)): _digest(folder, [path]) for path in _python(folder, "bench", "src")
    }

    def of_module(module: Path) -> dict:
        kept = work / f"{module.stem}-{_digest(folder, [module, *shared])}.json"
        found = json.loads(kept.read_text()) if kept.exists() else None
        if found is None or any(code.get(path) != digest for path, digest in found["code"].items()):
            copy = free.get()
            try:
                found = _run(copy, str(module.relative_to(folder)), kept)
            finally:
                free.put(copy)
            found["code"] = {path: code[path] for path in found["code"] if path in code}  # no templates
            kept.write_text(json.dumps(found))
        return found

    tests: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = {}
    modules = sorted((folder / TESTS).rglob("test_*.py"), key=lambda path: -path.stat().st_size)
    with ThreadPoolExecutor(len(copies)) as pool:
        for found in pool.map(of_module, modules):
            seconds |= {test: took for test, took in found["seconds"].items() if test not in found["failed"]}
            for test in found["failed"]:
                print(f"left out, fails as it is: {test}", flush=True)
            for path, lines in found["tests"].items():
                for line, of in lines.items():
                    tests[path][int(line)] += of
    return Reach(tests, seconds, _importers(folder))


def _importers(folder: Path) -> dict[str, set[str]]:
    """Name of a module -> files of those that import it, or something of that name from a package, or in a text."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in _python(folder, "bench", "src/wbc", TESTS):
        for node in ast.walk(ast.parse(path.read_text())):
            for name in _imported(node):
                found[name].add(str(path.relative_to(folder)))
    return found


def _imported(node: ast.AST) -> list[str]:
    """What a node may import: `import a.b`, `from a import b`, or the text "a.b" or "a.b.Name" for `import_module`."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(("bench.", "wbc."))
    ):
        return [node.value, node.value.rpartition(".")[0]]
    return []


def _run(copy: Copy, module: str, kept: Path) -> dict:
    """Of one module of tests: `tests`, module of the code -> line -> tests; `code`, what ran; `seconds`; `failed`."""
    folder = kept.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    printed = folder / "printed.txt"
    here, below = folder / "here.ini", folder / "below.ini"
    here.write_text("[run]\nsource = bench\n    wbc\n")
    # Processes that a test starts know its name by a variable of pytest.
    below.write_text(f"{here.read_text()}parallel = true\ncontext = |${{PYTEST_CURRENT_TEST-}}\n")
    arguments = [module, "--cov", f"--cov-config={here}", "--cov-context=test", "--cov-report="]
    arguments += ["--durations=0", "--durations-min=0", "-rfE"]
    ended = copy.pytest(
        arguments,
        processor_s=MOST_S,
        clock_s=MOST_S,
        output=str(printed),
        variables={"COVERAGE_FILE": str(folder / "coverage"), "COVERAGE_PROCESS_START": str(below)},
    )
    if ended not in (0, 1):
        sys.exit(f"the tests of {module} do not run: see {printed}")
    failed = _failed(printed)
    tests, code = _tests(copy.folder, folder.glob("coverage*"), failed)
    found = {
        "tests": tests,
        "code": code,
        "seconds": _seconds(printed),
        "failed": sorted(failed),
    }
    shutil.rmtree(folder)
    return found


def _python(folder: Path, *parts: str) -> Iterable[Path]:
    for part in parts:
        yield from sorted((folder / part).rglob("*.py"))


def _digest(folder: Path, files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _tests(
    copy: Path, files: Iterable[Path], failed: set[str]
) -> tuple[dict[str, dict[int, list[str]]], list[str]]:
    """Module of the code -> line -> tests; and all modules of which a line ran."""
    reached: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in files:
        measured = coverage.CoverageData(str(file))
        measured.read()
        for name in measured.measured_files():
            if not Path(name).is_relative_to(copy):
                continue  # a process that forgot its path: its code is that of the environment, not the copy's
            for line, contexts in measured.contexts_by_lineno(name).items():
                tests = set(filter(None, map(_test_of, contexts))) - failed
                reached[str(Path(name).relative_to(copy))][line] |= tests
    sorted_tests = {
        path: {line: sorted(tests) for line, tests in lines.items() if tests}
        for path, lines in reached.items()
    }
    return sorted_tests, sorted(reached)


def _test_of(context: str) -> str | None:
    """`TEST|call` of the tests' own process, `|TEST (call)` of one below it; the rest ran in no test."""
    test = re.fullmatch(r"(?:([^|].*)\|\w+|\|(.+) \(\w+\))", context)
    return test and (test[1] or test[2])


def _failed(printed: Path) -> set[str]:
    """Tests that the summary names."""
    lines = (line.partition(" ") for line in printed.read_text().splitlines())
    return {rest.partition(" - ")[0] for word, _, rest in lines if word in ("FAILED", "ERROR")}


def _seconds(printed: Path) -> dict[str, float]:
    """Of each test: setup, call and teardown together."""
    seconds: dict[str, float] = defaultdict(float)
    for line in printed.read_text().splitlines():
        took, _, rest = line.strip().partition("s ")
        stage, _, test = rest.strip().partition(" ")
        if stage in ("setup", "call", "teardown"):
            seconds[test.strip()] += float(took)
    return dict(seconds)
