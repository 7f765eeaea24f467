"""What a comparison of two sides refuses and warns of, to the word: an error and its way out."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.compare.thresholds import Thresholds
from bench.errors import InputError, ResultsError
from bench.regress import environments, kept, sides, verdict
from bench.regress.environments import Environments
from bench.regress.pairs import PairJournal
from bench.regress.planning import PairPlan
from bench.regress.session import RegressRequest
from bench.regress.side_request import SideRequest
from bench.regress.sides import Code, inspect, revision
from bench.regress.versions import parse_version, parse_versions

SUITE = Path("suite.toml")
NEW = SideRequest("tensorflow==2.21.0")
EMPTY = "Give it a value, or leave it out."
PIP = "Write it as for pip: tensorflow==2.21.0."
NOTHING_ELSE = "Leave out --baseline-with, --baseline-python and --baseline-revision, or the saved results."


def said(call, *given, **more) -> tuple[str, str]:
    with pytest.raises((InputError, ResultsError)) as caught:
        call(*given, **more)
    return caught.value.what, caught.value.way_out


@pytest.mark.parametrize(
    ("asked", "what", "way_out"),
    [
        (
            {"name": "a b"},
            "a comparison cannot be called 'a b'",
            "Use letters, digits, dots, + and -; it becomes a folder below results/regress/.",
        ),
        (
            {"candidate": SideRequest()},
            "both sides are this environment, so there is nothing to compare",
            "Give --baseline tensorflow==2.20.0 --candidate tensorflow==2.21.0 or the like.",
        ),
        (
            {"candidate": SideRequest(revision="v1"), "python": "3.12"},
            "--python-version 3.12 is for environments that are built, and no side asks for one",
            "Give --baseline or --candidate a requirement, or give interpreters with --baseline-python and "
            "--candidate-python.",
        ),
        (
            {"baseline": SideRequest("baseline:v1"), "baseline_results": "old"},
            "the baseline is given twice, as baseline:v1 and as --baseline-results old",
            "Leave one of the two out.",
        ),
        (
            {"baseline": SideRequest("baseline:v1", ("h5py",))},
            "the baseline is baseline:v1, so nothing else can be asked of it",
            NOTHING_ELSE,
        ),
        (
            {"baseline": SideRequest(revision="v1"), "baseline_results": "old"},
            "the baseline is old, so nothing else can be asked of it",
            NOTHING_ELSE,
        ),
        ({"candidate": SideRequest(" ")}, "--candidate is empty", EMPTY),
        ({"candidate": SideRequest("x", ("",))}, "--candidate-with is empty", EMPTY),
        ({"baseline": SideRequest(revision="")}, "--baseline-revision is empty", EMPTY),
        (
            {"candidate": SideRequest("keras", python=Path("p"))},
            "--candidate-python gives an interpreter, into which nothing is installed, so keras cannot be asked for as "
            "well",
            "Give either --candidate REQUIREMENT or --candidate-python PATH.",
        ),
        (
            {"baseline": SideRequest(more=("keras==3.3.3",))},
            "--baseline-with adds to what --baseline asks for, which is not given",
            "Give --baseline keras==3.3.3.",
        ),
        ({"candidate": SideRequest("-r x.txt")}, "--candidate '-r x.txt' is no requirement", PIP),
        ({"candidate": SideRequest("x\ny")}, "--candidate 'x\\ny' is no requirement", PIP),
        ({"candidate": SideRequest("==2")}, "--candidate '==2' is no requirement", PIP),
    ],
)
def test_what_contradicts_itself(asked: dict, what: str, way_out: str):
    assert said(RegressRequest(SUITE, **{"candidate": NEW, **asked}).check) == (what, way_out)


@pytest.mark.parametrize("one", ["./a", "a @ git+https://x", "x.whl", "keras>=3", "a_b"])
def test_what_is_a_requirement(one: str):
    RegressRequest(SUITE, candidate=SideRequest(one)).check()


@pytest.mark.parametrize(
    ("request_", "label", "asks"),
    [
        (SideRequest(), "this environment", False),
        (SideRequest("2.20", ("h5py",)), "tensorflow==2.20.*, h5py", True),
        (SideRequest("2.20.0"), "tensorflow==2.20.0", True),
        (SideRequest("2.20rc1"), "tensorflow==2.20rc1", True),
        (SideRequest(" v2.20 "), "tensorflow==2.20.*", True),
        (SideRequest("2"), "tensorflow==2.*", True),
        (SideRequest("keras", ("h5py", "numpy")), "keras, h5py, numpy", True),
        (SideRequest(more=("h5py",)), "h5py", True),
        (SideRequest(python=Path("/p"), revision="v1"), "/p, revision v1", True),
        (SideRequest(revision=""), "this environment", True),
    ],
)
def test_a_side_in_words(request_: SideRequest, label: str, asks: bool):
    assert (request_.label, request_.asks_something) == (label, asks)


def test_versions_that_cannot_be_meant(folder: Path):
    assert said(parse_version, " ") == ("a version of --versions is empty", EMPTY)
    assert said(parse_version, "revision:") == (
        "'revision:' in --versions names no revision",
        "Write it as revision:v1.2.",
    )
    assert said(parse_version, "./x") == (
        "there is nothing at ./x, which --versions names",
        "Give a folder or a wheel.",
    )
    (folder / "python").touch()
    (folder / "python").chmod(0o755)
    assert said(parse_version, "python keras h5py") == (
        "python in --versions is an interpreter, into which nothing is installed",
        "Give it alone, or leave it out and ask for keras.",
    )
    assert said(parse_version, "-x") == ("--versions '-x' is no requirement", PIP)
    assert said(parse_versions, ["2.20"]) == (
        "--versions has a single version",
        "Give two or more, oldest first: --versions 2.20 2.21.",
    )
    assert said(parse_versions, ["2.20.1", "2.21", "2.20.1"]) == (
        "--versions has tensorflow==2.20.1 twice",
        "Give each version once, oldest first.",
    )


def python(folder: Path, name: str, answer: str, code: int = 0) -> Path:
    """What stands for an interpreter: it prints, complains and ends."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\necho 'no room' >&2\nexit {code}\n")
    path.chmod(0o755)
    return path


CODE = Code(Path("code"), "the working tree", "0")
HINT = "--candidate-python takes a Python (3.11 or newer) that has TensorFlow and what wbc needs."
FOUND = '{"python": "3.11.4", "packages": {}, "settings": null, "problem": "no module x"}'


def test_interpreters_that_cannot_be_used(tmp_path: Path, monkeypatch):
    def looked(path: Path) -> tuple[str, str]:
        return said(inspect, "candidate", "keras", path, CODE)

    what = f"the candidate's interpreter {tmp_path}"
    assert looked(tmp_path / "none") == (f"{what}/none cannot be run: No such file or directory", HINT)
    torn = python(tmp_path, "torn", "hello", 3)
    assert looked(torn) == (f"{what}/torn cannot be used (exit code 3): no room", HINT)
    torn.write_text("#!/bin/sh\nprintf 'no \\377 room' >&2\nexit 3\n")
    assert looked(torn) == (f"{what}/torn cannot be used (exit code 3): no \ufffd room", HINT)
    old = python(tmp_path, "old", FOUND.replace("3.11.4", "3.10.9"))
    assert looked(old) == (f"{what}/old is Python 3.10.9", HINT)
    lacking = python(tmp_path, "lacking", FOUND)
    assert looked(lacking) == (
        "the candidate (keras) cannot be used: no module x",
        f"Its interpreter is {lacking}. Install what is missing there, or ask for other versions.",
    )
    whole = python(tmp_path, "whole", FOUND.replace('"no module x"', "null").replace("null,", '["a"],', 1))
    side = inspect("candidate", "keras", whole, CODE)
    assert (side.version, side.settings, side.label) == ("3.11.4", frozenset({"a"}), "keras")
    asked = []

    def runs(command, **options):
        asked.append(options)
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(sides.subprocess, "run", runs)
    assert looked(whole) == (f"{what}/whole did not answer for {sides.PROBE_S} s", HINT)
    monkeypatch.setattr(
        sides.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="", stderr="", returncode=-9)
    )
    assert looked(whole) == (f"{what}/whole cannot be used (killed by signal 9)", HINT)
    assert asked[0]["env"]["CUDA_VISIBLE_DEVICES"] == "" and asked[0]["env"]["KERAS_BACKEND"] == "tensorflow"


def test_revisions_that_are_not_there(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sides.bench, "__file__", str(tmp_path / "bench" / "__init__.py"))
    assert said(revision, "v9", tmp_path) == (
        f"there is no revision v9: {tmp_path} is no git repository",
        "Revisions need a clone of leukobench. An interpreter that has another version can be given with "
        "--baseline-python or --candidate-python.",
    )
    (tmp_path / ".git").mkdir()
    answer = SimpleNamespace(returncode=1, stderr=b" bad name \n", stdout=b"")
    monkeypatch.setattr(sides.subprocess, "run", lambda *_, **__: answer)
    way_out = "Give a tag, a branch or a commit, as `git log` shows them."
    assert said(revision, "v9", tmp_path) == ("there is no revision 'v9' of leukobench: bad name", way_out)
    answer.stderr = b""
    assert said(revision, "v9", tmp_path) == ("there is no revision 'v9' of leukobench", way_out)

    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(sides.subprocess, "run", missing)
    assert said(revision, "v9", tmp_path) == ("there is no revision v9: git is not installed", "Install git.")


def test_environments_that_cannot_be_made(tmp_path: Path, monkeypatch):
    (tmp_path / "file").touch()
    made = Environments(tmp_path / "file" / "below", lambda sentence: None)
    assert said(made.resolve, "baseline", ["keras"], "") == (
        f"environments cannot be kept in {tmp_path}/file/below: Not a directory", ""
    )  # fmt: skip
    monkeypatch.setattr(environments, "find_uv", lambda: "uv")
    done = SimpleNamespace(returncode=2, stdout="no such version\nof keras\n")
    monkeypatch.setattr(environments.subprocess, "run", lambda *_, **__: done)
    made = Environments(tmp_path / "kept", lambda sentence: None)
    assert said(made.resolve, "version 2.20", ["keras"], "") == (
        "the environment of the version 2.20 cannot be made; uv says:\n  no such version\n  of keras",
        "Ask for other versions, or for another Python with --python-version, or give an interpreter that has them "
        "with --baseline-python, with --candidate-python or among --versions. No trial was started.",
    )


def test_what_is_asked_of_uv(tmp_path: Path, monkeypatch):
    asked, told = [], []

    def uv(command, **options):
        asked.append(command)
        if command[1] == "venv":
            Path(command[4]).mkdir()
        if "--output-file" in command:
            path = Path(command[command.index("--output-file") + 1])
            assert path.read_text() == "numpy==2.0\n" and Path(command[3]).read_text() == "keras\n"
            path.write_text("# a note\nkeras==3.4.0\n--hash x\n\n  numpy==2.0\n")
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(environments, "find_uv", lambda: "uv")
    monkeypatch.setattr(environments.subprocess, "run", uv)
    made = Environments(tmp_path, told.append, "3.12")
    pins = made.resolve("baseline", ["keras"], "numpy==2.0\n")
    assert pins == made.resolve("baseline", ["keras"], "numpy==2.0\n") == ["keras==3.4.0", "numpy==2.0"]
    ((uv_, *compiled),) = asked
    assert uv_ == "uv" and [word for word in compiled if not word.startswith(str(tmp_path))] == [
        *("pip", "compile", "--output-file", "--python", "3.12", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--quiet"),
    ]
    assert [path.suffix for path in tmp_path.iterdir() if path.suffix not in (".lock", ".txt")] == []
    asked.clear()
    python_ = made.build("baseline", pins, lambda python: told.append(python))
    home = python_.parents[1]
    assert asked == [
        ["uv", "venv", "--python", "3.12", str(home), "--quiet"],
        [
            "uv",
            "pip",
            "sync",
            "--compile-bytecode",
            "--python",
            str(python_),
            f"{home}/requirements.txt",
            "--quiet",
        ],
    ]
    assert (home / "requirements.txt").read_text() == "keras==3.4.0\nnumpy==2.0\n"
    assert json.loads((home / "ready.json").read_text()) == {"pins": pins, "python": "3.12"}
    assert told == [f"Building the environment of the baseline: 2 packages, in {home}", python_]


def test_journals_and_baselines_that_do_not_fit(tmp_path: Path, monkeypatch):
    (tmp_path / "pairs.jsonl").write_text('{"event": "begun", "format": 99}\n')
    what, way_out = said(PairJournal(tmp_path).read, ("a", "b"), {})
    assert what.startswith(f"{tmp_path}/pairs.jsonl has format 99; this version of leukobench reads format ")
    assert way_out == "Give --name another name, or remove the folder."
    (tmp_path / "sides.json").write_text("torn")
    what, way_out = said(kept.read_kept, tmp_path)
    assert what.startswith(f"{tmp_path}/sides.json cannot be read: ")
    assert way_out == "Running the comparison again writes it anew."
    session = SimpleNamespace(
        speaker=SimpleNamespace(say=print), request=SimpleNamespace(thresholds=Thresholds()), trials=[]
    )
    baseline = SimpleNamespace(measurements=(), name="baseline:v1")
    assert said(verdict.against_recorded, session, baseline) == (
        "baseline:v1 has none of the suite's trials",
        "Their settings, seeds and images must be the same; `compare` says what differs.",
    )


def test_results_without_a_history(tmp_path: Path, monkeypatch):
    for only, which in ((None, ""), ("vgg*", " with trials vgg*")):
        assert said(kept.histories, tmp_path, Thresholds(), only) == (
            f"{tmp_path}/regress has no comparison of two sides{which}",
            "Run `regress SUITE --versions ...` first, or give --results.",
        )
    alike = SimpleNamespace(suite="s", folder=tmp_path / "x", pairs=1)
    alike.baseline = alike.candidate = SimpleNamespace(label="2.20")
    monkeypatch.setattr(kept, "read_all", lambda *given: ([alike], []))
    assert said(kept.histories, tmp_path, Thresholds()) == (
        f"both sides of every comparison in {tmp_path}/regress have the same name, so they are one version",
        "Compare two versions: `regress SUITE --versions ...`.",
    )


def test_the_notes_of_a_history(tmp_path: Path, monkeypatch):
    def one(name: str, pairs: int, old: str = "1", new: str = "2") -> SimpleNamespace:
        sides_ = {
            side: SimpleNamespace(label=label) for side, label in (("baseline", old), ("candidate", new))
        }
        return SimpleNamespace(suite="s", folder=tmp_path / name, pairs=pairs, **sides_)

    asked = []
    monkeypatch.setattr(
        kept, "read_all", lambda *given: ([one("few", 1), one("many", 3)], ["Left out: torn."])
    )
    monkeypatch.setattr(kept, "history_of", lambda *given: asked.append(given) or "history")
    assert kept.histories(tmp_path, Thresholds()) == ["history"]
    ((suite, chain, _, notes),) = asked
    assert (suite, [link.folder.name for link in chain]) == ("s", ["many"])
    assert notes == ["Left out: torn.", "Not in the chain, so not drawn: few."]


def test_a_plan_without_noise_says_so():
    assert str(PairPlan(1, None)) == (
        "The noise of this machine is not known: the pairs themselves will show it."
    )


def test_where_uv_is_not_installed(monkeypatch):
    import uv

    def missing():
        raise FileNotFoundError

    monkeypatch.setattr(uv, "find_uv_bin", lambda: "/bin/uv")
    assert environments.find_uv() == "/bin/uv"
    monkeypatch.setattr(uv, "find_uv_bin", missing)
    assert said(environments.find_uv) == (
        "uv, which builds the environments, is not installed",
        "Run `pip install uv`, or give interpreters with --baseline-python and --candidate-python.",
    )


def test_a_second_builder_is_told_that_it_waits(tmp_path: Path, monkeypatch):
    told, locks = [], []

    def flock(file: int, operation: int) -> None:
        locks.append(operation)
        if operation & environments.fcntl.LOCK_NB:
            raise BlockingIOError

    monkeypatch.setattr(environments.fcntl, "flock", flock)
    with Environments(tmp_path, told.append)._locked("abc") as file:
        assert os.fstat(file)
    assert told == [f"Waiting for another process that builds the same environment ({tmp_path}/abc.lock)"]
    assert locks == [environments.fcntl.LOCK_EX | environments.fcntl.LOCK_NB, environments.fcntl.LOCK_EX]
