"""Which unit tests reach a line, and how long each takes: measured once for each state of the code."""

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
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
        """The tests that reach a line, quickest first, of so many seconds together or at least one."""
        chosen: list[str] = []
        total = 0.0
        for test in sorted(self.tests.get(path, {}).get(line, []), key=self.took):
            total += self.took(test)
            if chosen and total > most_s:
                break
            chosen.append(test)
        return chosen

    def took(self, test: str) -> float:
        """Seconds of a test, with what prepares it."""
        return self.seconds.get(test, 1.0)


def measure(repository: Path, work: Path, jobs: int) -> Reach:
    """Run the unit tests with coverage, unless that was done for the same code."""
    key = _digest(repository)
    file = work / f"reach-{key}.json"
    if not file.exists():
        work.mkdir(parents=True, exist_ok=True)
        data, durations = work / f"coverage-{key}", work / f"durations-{key}"
        settings = work / "coverage.ini"
        settings.write_text("[run]\nsource = bench\n    wbc\n")
        command = [sys.executable, "-m", "pytest", TESTS, "-q", f"--numprocesses={jobs}", "--dist=loadfile"]
        command += ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
        command += ["--durations=0", "--durations-min=0"]
        environment = {**os.environ, "COVERAGE_FILE": str(data), "PYTHONPATH": "src"}
        with durations.open("w") as out:
            ended = subprocess.run(command, cwd=repository, env=environment, stdout=out, check=False)
        if ended.returncode:
            sys.exit(f"the tests do not pass as they are: see {durations}")
        reach = {"tests": _tests(repository, data), "seconds": _seconds(durations)}
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


def _tests(repository: Path, data: Path) -> dict[str, dict[int, list[str]]]:
    measured = coverage.CoverageData(str(data))
    measured.read()
    tests: dict[str, dict[int, list[str]]] = {}
    for name in measured.measured_files():
        path = str(Path(name).relative_to(repository))
        lines: dict[int, set[str]] = defaultdict(set)
        for line, contexts in measured.contexts_by_lineno(name).items():
            lines[line] = {context.rpartition("|")[0] for context in contexts if "|" in context}
        tests[path] = {line: sorted(of) for line, of in lines.items() if of}
    return tests


def _seconds(durations: Path) -> dict[str, float]:
    """Of each test: setup, call and teardown together."""
    seconds: dict[str, float] = defaultdict(float)
    for line in durations.read_text().splitlines():
        took, _, rest = line.strip().partition("s ")
        stage, _, test = rest.strip().partition(" ")
        if stage in ("setup", "call", "teardown"):
            seconds[test.strip()] += float(took)
    return dict(seconds)
