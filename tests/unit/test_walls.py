"""The walls of the house, read from the imports of the code itself."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bench.regress.environments import name_of
from bench.worker import protocol
from wbc import OPTIONAL, REQUIREMENTS
from wbc.backends import BACKENDS
from wbc.data.synthetic import SyntheticSettings, generate

ROOT = Path(__file__).parents[2]

FLOORS = (
    ("version", "errors", "worker"),
    ("trials", "pages"),
    ("journal", "devices"),
    ("machine", "telemetry", "suite", "plan", "tracking"),
    ("records", "compare"),
    ("runner", "report", "doctor"),
    ("regress",),
    ("interface",),
    ("commands",),
    ("__main__",),
)
"""Rooms of `bench/` from the ground up. A room may import rooms of lower floors, and of its own floor where
that makes no circle."""

WBC_FLOORS = (
    ("errors", "files", "protocols", "backends", "reference"),
    ("options", "optimizer", "duplicates", "reference_work"),
    ("data", "optimizer_presets", "specification", "kept"),
    ("evaluation",),
    ("observer",),
    ("networks", "memory", "profiling", "classical", "experiment"),
    ("training", "backbones"),
)
"""The same of `wbc`. The experiment loads the trainer of a mode by its name, only when it is asked for."""

FRAMEWORKS = ("keras", "tensorflow", "jax", "torch", "ray")


def imports_of(module: str, code: str) -> set[str]:
    """The modules of `bench` and `wbc` that a module imports anywhere in its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else str(node.module) for name in names}
    return found & MODULES.keys() - {module}


def module_of(path: Path) -> str:
    """The name of the module in a file, relative to the repository."""
    parts = (path.relative_to("src") if path.is_relative_to("src") else path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_of(path.relative_to(ROOT)): path
    for package in ("bench", "src/wbc")
    for path in sorted((ROOT / package).rglob("*.py"))
}
"""The modules of `bench` and `wbc`, and their files."""


def upward(arrows: Mapping[str, set[str]]) -> list[str]:
    """Imports from a lower floor of `bench/` or `wbc/` to a higher one."""
    found = []
    for package, floors in (("bench.", FLOORS), ("wbc.", WBC_FLOORS)):
        floor = {room: number for number, rooms in enumerate(floors) for room in rooms}
        for module, targets in arrows.items():
            if not module.startswith(package):
                continue
            for target in targets:
                if target.startswith(package) and floor[target.split(".")[1]] > floor[module.split(".")[1]]:
                    found.append(f"{module} -> {target}")
    return sorted(found)


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """Names on one circle of imports; nothing where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def rooms(arrows: Mapping[str, set[str]], package: str) -> dict[str, set[str]]:
    """Room of a package -> the rooms of it that it imports."""
    found: dict[str, set[str]] = {}
    for module, targets in arrows.items():
        if module.startswith(package + "."):
            room = module.split(".")[1]
            mine = {target.split(".")[1] for target in targets if target.startswith(package + ".")}
            found.setdefault(room, set()).update(mine - {room})
    return found


def outside(arrows: Mapping[str, set[str]], package: str, forbidden: str) -> list[str]:
    """Imports of `forbidden` by the modules of a package, its own modules aside."""
    return sorted(
        f"{module} -> {target}"
        for module, targets in arrows.items()
        if (module + ".").startswith(package + ".")
        for target in targets
        if (target + ".").startswith(forbidden + ".") and not (target + ".").startswith(package + ".")
    )


def inside(arrow: str) -> bool:
    """Whether an import goes past a room's door, to a module in it."""
    return arrow.split(" -> ")[1].count(".") > 1


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    """Module -> the modules of `bench` and `wbc` that it imports."""
    found = {module: imports_of(module, path.read_text(encoding="utf-8")) for module, path in MODULES.items()}
    found["bench"] -= {"bench.interface"}  # only when one of its names is used, see `bench.__getattr__`
    return found


def test_no_room_imports_upward(arrows):
    assert upward(arrows) == []


def test_no_circle_among_rooms_or_modules(arrows):
    assert circle(rooms(arrows, "bench")) == []
    assert circle(rooms(arrows, "wbc")) == []
    assert circle(arrows) == []


def test_the_system_under_test_knows_nothing_of_the_harness(arrows):
    assert outside(arrows, "wbc", "bench") == []


def test_the_search_for_near_duplicates_has_one_door(arrows):
    assert outside(arrows, "wbc.data", "wbc.duplicates") != []
    assert [arrow for arrow in outside(arrows, "wbc.data", "wbc.duplicates") if inside(arrow)] == []
    assert [arrow for arrow in outside(arrows, "bench", "wbc.duplicates") if inside(arrow)] == []


def test_the_memory_model_has_one_door(arrows):
    others = {name: targets for name, targets in arrows.items() if not name.startswith("wbc.memory")}
    used = {target for targets in others.values() for target in targets if target.startswith("wbc.memory")}
    assert used == {"wbc.memory"}


def test_the_system_under_test_imports_what_it_declares_and_no_more():
    found: set[str] = set()
    for path in (ROOT / "src" / "wbc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).split(".")[0])
    foreign = found - sys.stdlib_module_names - {"wbc", *BACKENDS}
    assert foreign == {*REQUIREMENTS.values(), *OPTIONAL.values()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {name_of(one) for one in project["dependencies"]} >= set(REQUIREMENTS)
    assert {name_of(one) for one in project["optional-dependencies"]["export"]} >= set(OPTIONAL)


def test_the_worker_imports_nothing_of_the_harness(arrows):
    assert outside(arrows, "bench.worker", "bench") == []


@pytest.mark.parametrize(
    ("module", "line", "check"),
    [
        ("bench/trials/trial.py", "from bench.plan import decide", lambda found: upward(found)),
        ("bench/journal/runs.py", "import bench.report.page", lambda found: upward(found)),
        ("bench/worker/jsonl.py", "from bench.worker import process", lambda found: circle(found)),
        ("src/wbc/data/check.py", "from wbc.evaluation import metrics", lambda found: upward(found)),
        (
            "src/wbc/data/check.py",
            "from wbc.duplicates.frames import make_frame",
            lambda found: any(inside(arrow) for arrow in outside(found, "wbc.data", "wbc.duplicates")),
        ),
        ("src/wbc/errors.py", "    from bench import errors", lambda found: outside(found, "wbc", "bench")),
        (
            "bench/worker/files.py",
            "from bench.errors import InputError",
            lambda found: outside(found, "bench.worker", "bench"),
        ),
    ],
)
def test_a_planted_import_is_found(arrows, module, line, check):
    planted = line if not line.startswith(" ") else f"def late():\n{line}"
    code = f"{(ROOT / module).read_text(encoding='utf-8')}\n{planted}\n"
    name = module_of(Path(module))
    assert check({**arrows, name: imports_of(name, code)})


def test_the_parent_loads_no_framework(arrows):
    modules = [name for name in arrows if not name.startswith("bench.worker") and "__main__" not in name]
    code = f"""
import importlib, sys
for name in {sorted(name for name in modules if name.startswith("bench"))!r}:
    importlib.import_module(name)
print(*set({FRAMEWORKS!r}) & set(sys.modules), "done")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["done"]


def test_the_worker_copied_alone_beside_wbc_runs_a_trial(tmp_path):
    """Without any other file of the harness on its path."""
    shutil.copytree(ROOT / "bench" / "worker", tmp_path / "code" / "bench" / "worker")
    shutil.copytree(ROOT / "src" / "wbc", tmp_path / "code" / "wbc")
    data = tmp_path / "data"
    data.mkdir()
    generate(data, SyntheticSettings(2, 1, 2, image_size=32)).write(data)
    attempt = tmp_path / "attempt-1"
    attempt.mkdir()
    specification = {
        "data_folder": str(data),
        "manifest": str(data / "manifest.json"),
        "image_size": 32,
        "network": "KNN",
        "options": {},
        "mode": "classical",
        "weights": None,
        "epochs": 0,
        "seed": 0,
        "preprocessing": "rescale",
    }
    trial = {"id": "knn-classical-s0-0", "specification": specification}
    (attempt / "trial.json").write_text(json.dumps(trial))
    code = f"""
import runpy, sys
sys.path = [{str(tmp_path / "code")!r}] + [
    place for place in sys.path if place not in ("", {str(ROOT)!r}, {str(ROOT / "src")!r})
]
sys.argv = ["bench.worker", {str(attempt)!r}]
runpy.run_module("bench.worker", run_name="__main__", alter_sys=True)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {protocol.PARENT_PID: str(os.getpid()), protocol.SPAWNED_NS: str(time.monotonic_ns())}
    with Path(os.devnull).open("wb") as nowhere:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**environment, protocol.EVENT_FD: str(nowhere.fileno())},
            pass_fds=[nowhere.fileno()],
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    events = [json.loads(line) for line in (attempt / "events.jsonl").read_text().splitlines()]
    (evaluated,) = [event for event in events if event["event"] == "evaluated"]
    assert evaluated["metrics"]["images"] == 8
    assert (attempt / "predictions.csv").is_file()


def test_child_processes_ignore_packages_in_the_current_folder():
    """It may hold another `bench`: a clone of the repository, in which somebody uses an installed package."""
    for path in (ROOT / "bench").rglob("*.py"):
        code = path.read_text()
        started = re.findall(r'("-P",)?\s*"-m",\s*"[a-z]', code)
        assert all(started), f"{path}: start it with -P"
