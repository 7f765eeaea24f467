"""Environments that the real uv builds from tiny local packages, without a network."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from equipment.wheels import write_wheel

from bench.errors import InputError
from bench.regress import environments
from bench.regress.environments import READY, Environments

REPOSITORY = Path(__file__).resolve().parents[2]

BUILD = """
import sys, time
from pathlib import Path
from bench.regress.environments import Environments

def check(python):
    print("checking", flush=True)
    time.sleep(float(sys.argv[2]))

def say(message):
    print(message, flush=True)

made = Environments(Path(sys.argv[1]), say)
print(made.build("baseline", made.resolve("baseline", ["alpha"], ""), check), flush=True)
"""
"""Builds an environment and takes its time to check it."""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "alpha", "1.0", ("beta",))
    write_wheel(folder, "alpha", "2.0", ("beta>=2",))
    write_wheel(folder, "beta", "1.5")
    write_wheel(folder, "beta", "2.5")
    for name, value in {
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(folder),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    return folder


def make(folder: Path, requirements: list[str], preferred: str = "", check=lambda python: None):
    said: list[str] = []
    environments = Environments(folder, said.append)
    pins = environments.resolve("candidate", requirements, preferred)
    return environments.build("candidate", pins, check), pins, said


def test_what_was_asked_for_is_there_and_nothing_else(packages, tmp_path: Path):
    python, pins, said = make(tmp_path / "some" / "envs", ["alpha==2.0"])
    assert pins == ["alpha==2.0", "beta==2.5"]
    assert said == [f"Building the environment of the candidate: 2 packages, in {python.parents[1]}"]
    found = subprocess.run(
        [python, "-c", "import alpha, beta, sys; print(alpha.__version__, beta.__version__, sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert found.stdout.split() == ["2.0", "2.5", str(python.parents[1])]


def test_preferred_versions_are_taken_where_they_fit(packages, tmp_path: Path):
    _, pins, _ = make(tmp_path / "envs", ["alpha"], "alpha==1.0\nbeta==1.5\n")
    assert pins == ["alpha==1.0", "beta==1.5"]
    _, pins, _ = make(tmp_path / "envs", ["alpha>=2"], "alpha==1.0\nbeta==1.5\n")
    assert pins == ["alpha==2.0", "beta==2.5"]


def test_it_is_built_once_and_stays_what_it_was(packages, tmp_path: Path):
    first, _, _ = make(tmp_path / "envs", ["alpha"])
    write_wheel(packages, "alpha", "3.0")
    again, pins, said = make(tmp_path / "envs", ["alpha"])
    assert again == first and pins[0] == "alpha==2.0" and said == []


def test_other_packages_make_another_environment(packages, tmp_path: Path):
    assert make(tmp_path / "envs", ["alpha==1.0"])[0] != make(tmp_path / "envs", ["alpha==2.0"])[0]


def test_another_python_or_other_packages_make_another_environment(tmp_path: Path, monkeypatch):
    asked: list[str] = []

    def uv(self: Environments, title: str, arguments: list[str], lock: int) -> None:
        if arguments[0] == "venv":
            asked.append(arguments[2])
            (Path(arguments[3]) / "bin").mkdir(parents=True)
            (Path(arguments[3]) / "bin" / "python").touch()

    monkeypatch.setattr(Environments, "_uv", uv)

    def build(python: str, *pins: str) -> Path:
        return Environments(tmp_path, lambda said: None, python).build("candidate", pins)

    made = [build("3.11", "alpha==1.0"), build("3.12", "alpha==1.0"), build("3.12", "alpha==2.0")]
    assert len(set(made)) == 3 and asked == ["3.11", "3.12", "3.12"]
    assert build("3.11", "alpha==1.0") == made[0] and len(asked) == 3


def test_what_cannot_be_had_is_said_in_uvs_words(packages, tmp_path: Path):
    with pytest.raises(InputError) as error:
        make(tmp_path / "envs", ["alpha==9.0"])
    assert "the environment of the candidate cannot be made; uv says:" in error.value.what
    assert "alpha==9.0" in error.value.what
    assert "--candidate-python" in error.value.way_out
    assert not list((tmp_path / "envs").glob(f"*/{READY}"))


def test_one_that_fails_its_check_is_not_kept(packages, tmp_path: Path):
    def check(python):
        raise InputError("it cannot be imported")

    with pytest.raises(InputError, match="cannot be imported"):
        make(tmp_path / "envs", ["alpha"], check=check)
    _, _, said = make(tmp_path / "envs", ["alpha"])
    assert len(said) == 1, "it is built anew"


def test_one_that_was_killed_while_it_was_built_is_built_anew(packages, tmp_path: Path):
    killed = build(tmp_path / "envs", 600)
    read_until(killed, "checking")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not list((tmp_path / "envs").glob(f"*/{READY}"))
    _, _, said = make(tmp_path / "envs", ["alpha"])
    assert len(said) == 1


def test_a_second_builder_waits_for_the_first(packages, tmp_path: Path):
    first = build(tmp_path / "envs", 1)
    before = read_until(first, "checking")
    second = build(tmp_path / "envs", 0)
    after = second.communicate(timeout=60)[0].splitlines()
    before += first.communicate(timeout=60)[0].splitlines()
    assert before[-1] == after[-1], "both have the same interpreter"
    assert sum("Building" in line for line in [*before, *after]) == 1
    assert any("Waiting for another process" in line for line in after)


def test_one_whose_interpreter_is_gone_is_built_anew(packages, tmp_path: Path):
    python, _, _ = make(tmp_path / "envs", ["alpha"])
    python.unlink()
    assert len(make(tmp_path / "envs", ["alpha"])[2]) == 1


def test_it_says_what_is_in_it(packages, tmp_path: Path):
    python, pins, _ = make(tmp_path / "envs", ["alpha"])
    assert json.loads((python.parents[1] / READY).read_text())["pins"] == pins


def build(folder: Path, seconds: float) -> subprocess.Popen:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def read_until(process: subprocess.Popen, word: str) -> list[str]:
    deadline, lines = time.monotonic() + 60, []
    while time.monotonic() < deadline:
        lines.append(process.stdout.readline().strip())
        if word in lines[-1]:
            return lines
    raise AssertionError(lines)


def test_versions_that_another_process_found_out_meanwhile_stand(tmp_path: Path):
    class Late(Environments):
        """While it waits for the lock, another one finds them out."""

        @contextmanager
        def _locked(self, key: str):
            (self.folder / f"{key}.txt").write_text("alpha==1.0\n")
            yield 0

        def _uv(self, title: str, arguments: list[str], lock: int) -> None:
            raise AssertionError("found out a second time")

    assert Late(tmp_path, print).resolve("candidate", ["alpha"], "") == ["alpha==1.0"]


def test_versions_are_found_out_anew_where_anything_that_decides_on_them_is_another(
    tmp_path: Path, monkeypatch
):
    asked: list[str] = []

    class Counted(Environments):
        def _uv(self, title: str, arguments: list[str], lock: int) -> None:
            asked.append(title)

    def found(requirements: list[str], preferred: str = "", python: str | None = "3.12") -> int:
        Counted(tmp_path, print, python).resolve("candidate", requirements, preferred)
        return len(asked)

    assert found(["alpha", "beta"]) == found(["beta", "alpha"]) == 1
    assert found(["alpha"]) == 2
    assert found(["alpha"], "beta==1\n") == 3
    assert found(["alpha"], python="3.11") == 4
    assert found(["alpha"], python=None) == 5
    monkeypatch.setenv("UV_FIND_LINKS", "elsewhere")
    assert found(["alpha"]) == 6
    monkeypatch.setenv("OTHER", "x")
    assert found(["alpha"]) == 6


def test_of_what_uv_says_the_last_thirty_lines_are_told(tmp_path: Path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nseq 1 31\necho $VIRTUAL_ENV\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setenv("VIRTUAL_ENV", "/of/the/harness")
    monkeypatch.setattr(environments, "find_uv", lambda: str(uv))
    with pytest.raises(InputError) as error:
        Environments(tmp_path / "envs", print).resolve("candidate", ["alpha"], "")
    said = "\n".join(f"  {number}" for number in range(2, 32))
    assert error.value.what == f"the environment of the candidate cannot be made; uv says:\n{said}"
    assert [path.suffix for path in (tmp_path / "envs").iterdir()] == [".lock"], "nothing half-made stays"
