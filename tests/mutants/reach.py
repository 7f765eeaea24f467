"""Which unit tests reach a line, and how long each takes: measured once for each state of the code."""

import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import coverage

TESTS = "tests/unit"


@dataclass(frozen=True)
class Reach:
    """What a run of all unit tests showed."""

    tests: dict[str, dict[int, list[str]]]
    """Module -> line -> the tests that reach it."""
    seconds: dict[str, float]
    """Test -> what it took."""

    def of(self, path: str, line: int, most_s: float) -> list[str]:
        """The tests that reach a line, quickest first, of so many seconds together or at least one.

        What runs when a module is imported, such as constants and decorators, is reached by all of its tests.
        """
        lines = self.tests.get(path, {})
        chosen: list[str] = []
        total = 0.0
        for test in sorted(lines.get(line) or {one for of in lines.values() for one in of}, key=self.took):
            total += self.took(test)
            if chosen and total > most_s:
                break
            chosen.append(test)
        return chosen

    def took(self, test: str) -> float:
        """Seconds of a test, with what prepares it."""
        return self.seconds.get(test, 1.0)


def measure(copy: Path, work: Path, jobs: int, environment: Mapping[str, str]) -> Reach:
    """Run the unit tests of a copy with coverage, unless that was done for the same code.

    A test that fails there as it is would notice everything: it is named and left out.
    """
    key = _digest(copy)
    file = work / f"reach-{key}.json"
    if not file.exists():
        work.mkdir(parents=True, exist_ok=True)
        data, durations = work / f"coverage-{key}", work / f"durations-{key}"
        settings = work / "coverage.ini"
        settings.write_text("[run]\nsource = bench\n    wbc\n")
        command = [sys.executable, "-m", "pytest", TESTS, "-q", f"--numprocesses={jobs}", "--dist=loadfile"]
        command += ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
        command += ["--durations=0", "--durations-min=0"]
        command += ["-p", "no:cacheprovider", "-rfE"]
        with durations.open("w") as out:
            covered = {**environment, "COVERAGE_FILE": str(data)}
            ended = subprocess.run(command, cwd=copy, env=covered, stdout=out, check=False)
        if ended.returncode not in (0, 1):
            sys.exit(f"the tests do not run: see {durations}")
        failed = _failed(durations)
        print("\n".join(f"left out, fails as it is: {test}" for test in sorted(failed)), flush=True)
        reach = {"tests": _tests(copy, data, failed), "seconds": _seconds(durations)}
        file.write_text(json.dumps(reach))
    known = json.loads(file.read_text())
    tests = {path: {int(line): of for line, of in lines.items()} for path, lines in known["tests"].items()}
    return Reach(tests, known["seconds"])


def _digest(repository: Path) -> str:
    """Of all code and tests."""
    found = hashlib.sha256()
    for folder in ("bench", "src", "tests/unit", "tests/equipment"):
        for path in sorted((repository / folder).rglob("*.py")):
            found.update(f"{path.relative_to(repository)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _tests(repository: Path, data: Path, failed: set[str]) -> dict[str, dict[int, list[str]]]:
    measured = coverage.CoverageData(str(data))
    measured.read()
    tests: dict[str, dict[int, list[str]]] = {}
    for name in measured.measured_files():
        path = str(Path(name).relative_to(repository))
        lines: dict[int, set[str]] = defaultdict(set)
        for line, contexts in measured.contexts_by_lineno(name).items():
            lines[line] = {context.rpartition("|")[0] for context in contexts if "|" in context} - failed
        tests[path] = {line: sorted(of) for line, of in lines.items() if of}
    return tests


def _failed(durations: Path) -> set[str]:
    """Tests that the summary names."""
    lines = (line.partition(" ") for line in durations.read_text().splitlines())
    return {rest.partition(" - ")[0] for word, _, rest in lines if word in ("FAILED", "ERROR")}


def _seconds(durations: Path) -> dict[str, float]:
    """Of each test: setup, call and teardown together."""
    seconds: dict[str, float] = defaultdict(float)
    for line in durations.read_text().splitlines():
        took, _, rest = line.strip().partition("s ")
        stage, _, test = rest.strip().partition(" ")
        if stage in ("setup", "call", "teardown"):
            seconds[test.strip()] += float(took)
    return dict(seconds)
