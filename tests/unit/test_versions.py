"""Versions in turn, from the list on the command line to the page, with runs whose times are made up."""

import json
from pathlib import Path

import pytest
from equipment.results.records import a_trial
from versions_equipment import SUITE, Script, interpreters

from bench.commands.main import main
from bench.commands.options import spread
from bench.errors import InputError
from bench.regress import side_request
from bench.regress.side_request import SideRequest, make_chain
from bench.regress.versions import parse_version, parse_versions

NAMES = [f"python{number}" for number in (16, 17, 18, 19, 20)]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("LEUKOBENCH_LEASES", str(tmp_path / "leases"))
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


def command(suite: Path, versions: list[str], *more: str) -> list[str]:
    results = str(suite.parent / "results")
    return ["regress", str(suite), "--versions", *versions, "--results", results, "--pairs", "12", *more]


def test_the_version_with_a_step_is_named_alone_and_nothing_is_measured_twice(
    suite, tmp_path, monkeypatch, capsys
):
    seconds = {name: 12.0 if name >= "python18" else 10.0 for name in NAMES}
    script = Script(seconds, stop_at=59)
    script.install(monkeypatch)
    versions = interpreters(tmp_path, NAMES)
    assert main(command(suite, versions)) == 130
    assert len(script.ran) == 59, "in the middle of a pair of the third two"
    assert main(command(suite, versions, "--json")) == 1
    assert len(script.ran) == 4 * 2 * 12 + 1, "half a pair ran again"
    (found,) = json.loads(capsys.readouterr().out)
    assert {(one["baseline"], one["candidate"]) for one in found["steps"]} == {(versions[1], versions[2])}
    assert {one["verdict"] for one in found["steps"]} == {"slower"}
    changed = [one["name"] for one in found["steps"][0]["changes"]]
    assert "tensorflow" in changed and "numpy" in changed and "keras" not in changed
    (line,) = [one for one in found["lines"] if one["metric"] == "train_cpu_time"]
    assert [one["version"] for one in line["levels"]] == versions
    for level, truth in zip(line["levels"], (0, 0, 0.2, 0.2, 0.2), strict=True):
        # One interval in twenty may miss the truth, though hardly by much.
        assert level["low"] - 0.02 <= truth <= level["high"] + 0.02 and abs(level["change"] - truth) < 0.05

    folder = tmp_path / "results" / "history" / "small"
    page = (folder / "history.html").read_text()
    assert "numpy 1.26 -&gt; 2.1" in page and page.count("<svg") == len(found["lines"])
    assert json.loads((folder / "history.json").read_text()) == found
    # From what was kept, and without a run.
    before = len(script.ran)
    assert main(["history", str(tmp_path / "results"), "--json"]) == 1
    (again,) = json.loads(capsys.readouterr().out)
    assert again == found and len(script.ran) == before


def test_where_nothing_changes_no_step_is_named(suite, tmp_path, monkeypatch, capsys):
    script = Script(dict.fromkeys(NAMES, 10.0), noise=0.05)
    script.install(monkeypatch)
    assert main(command(suite, interpreters(tmp_path, NAMES[:3]))) in (0, 4)
    printed = capsys.readouterr()
    assert "No step" in printed.out and "A step" not in printed.out
    assert "1 of 2: " in printed.err and "2 of 2: " in printed.err


def test_a_version_that_fails_is_a_step_and_ends_its_lines(suite, tmp_path, monkeypatch, capsys):
    script = Script({**dict.fromkeys(NAMES, 10.0), "python18": None})
    script.install(monkeypatch)
    versions = interpreters(tmp_path, NAMES)
    assert main([*command(suite, versions, "--json")]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    (step,) = found["steps"]
    assert (step["verdict"], step["candidate"], step["metrics"]) == ("failed", versions[2], [])
    lines = [
        [level["version"] for level in one["levels"]] for one in found["lines"] if one["metric"] == "fit_time"
    ]
    assert lines == [versions[:2], versions[3:]]
    assert len(list((tmp_path / "results" / "regress").glob("*/regression.html"))) == 4


def test_a_budget_that_is_spent_stays_spent(suite, tmp_path, monkeypatch):
    script = Script(dict.fromkeys(NAMES, 10.0), noise=0.01)
    script.install(monkeypatch)
    asked = command(suite, interpreters(tmp_path, NAMES[:2]), "--budget", "30s")
    asked[asked.index("12")] = "auto"
    assert main(asked) == 4
    assert len(script.ran) == 2, "a first pair, and there is no room for another one"
    assert main(asked) == 4
    assert len(script.ran) == 2
    asked[asked.index("30s")] = "1h"
    assert main(asked) in (0, 4)
    assert len(script.ran) > 2


def test_history_joins_comparisons_that_were_made_one_by_one(suite, tmp_path, monkeypatch, capsys):
    script = Script({name: 12.0 if name >= "python18" else 10.0 for name in NAMES})
    script.install(monkeypatch)
    old, middle, new, other = interpreters(tmp_path, NAMES[:4])
    results = ["--results", str(tmp_path / "results"), "--pairs", "12"]
    for baseline, candidate in ((middle, new), (old, middle), (old, other)):
        sides = ["--baseline-python", baseline, "--candidate-python", candidate]
        assert main(["regress", str(suite), *sides, *results]) in (0, 1, 4)
    capsys.readouterr()
    assert main(["history", str(tmp_path / "results"), "--json", "-o", str(tmp_path / "page")]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert found["versions"] == [old, middle, new]
    assert {one["candidate"] for one in found["steps"]} == {new}
    assert any("Not in the chain" in note for note in found["notes"])
    assert (tmp_path / "page" / "history.html").is_file()


def test_a_version_against_itself_makes_no_history(suite, tmp_path, monkeypatch, capsys):
    Script({name: 10.0 for name in NAMES}).install(monkeypatch)
    same, other = interpreters(tmp_path, NAMES[:2])
    results = ["--results", str(tmp_path / "results"), "--pairs", "1"]
    sides = ["--baseline-python", same, "--candidate-python"]
    assert main(["regress", str(suite), *sides, same, *results]) == 4
    assert main(["history", str(tmp_path / "results")]) == 2
    assert "are one version" in capsys.readouterr().err
    assert main(["regress", str(suite), *sides, other, *results]) == 4
    assert main(["history", str(tmp_path / "results")]) == 4


def test_without_comparisons_there_is_no_history(tmp_path, capsys):
    assert main(["history", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "results").mkdir()
    assert main(["history", str(tmp_path / "results")]) == 2
    assert "has no comparison of two sides" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("2.19", "tensorflow==2.19.*"),
        ("2.19.1", "tensorflow==2.19.1"),
        ("2.22.0rc1", "tensorflow==2.22.0rc1"),
        ("keras==3.10", "keras==3.10"),
        ("tensorflow == 2.19 keras==3.9", "tensorflow==2.19, keras==3.9"),
        ("tensorflow>=2.19, <2.20", "tensorflow>=2.19,<2.20"),
        ("keras @ git+https://example.org/keras", "keras@git+https://example.org/keras"),
        ("revision:v1.2", "revision v1.2"),
        ("2.20.0 revision:v1.2", "tensorflow==2.20.0, revision v1.2"),
    ],
)
def test_what_a_version_means(text, label):
    assert parse_version(text).label == label


def test_folders_wheels_and_interpreters_are_versions(tmp_path):
    wheel = tmp_path / "keras-3.10-py3-none-any.whl"
    wheel.touch(0o755)
    (python,) = interpreters(tmp_path, ["python"])
    assert parse_version(str(tmp_path)).requirements == (str(tmp_path),)
    assert parse_version(str(wheel)).requirements == (str(wheel),)
    assert parse_version(python).python == Path(python)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["2.20"], "a single version"),
        (["2.20", "2.21", "2.20"], "twice"),
        (["2.20", " "], "is empty"),
        (["2.20", "-r secrets.txt"], "no requirement"),
        (["2.20", "./nowhere"], "nothing at ./nowhere"),
        (["2.20", "revision:"], "names no revision"),
    ],
)
def test_versions_that_cannot_be_meant(texts, said):
    with pytest.raises(InputError, match=said):
        parse_versions(texts)


class Packages:
    """In place of `Environments`: the first version needs an old NumPy."""

    def __init__(self):
        self.asked: list[tuple[str, str]] = []

    def resolve(self, title, requirements, preferred) -> list[str]:
        self.asked.append((title, preferred))
        numpy = "numpy==1.26.4" if "tensorflow-cpu==2.17" in requirements[0] else "numpy==2.1.3"
        kept = [line for line in preferred.split() if line.startswith("numpy==1")]
        return [requirements[0].removesuffix(".*") + ".0", *(kept or [numpy])]

    def build(self, title, pins, check) -> Path:
        return Path("/environments") / "-".join(pins) / "bin" / "python"


def test_each_version_takes_other_packages_from_the_one_before_it(tmp_path, monkeypatch):
    Script({}).install(monkeypatch)
    packages, versions = Packages(), parse_versions(["2.17", "2.18", "2.19"])
    requests = [("candidate", version) for version in versions]
    titles = [version.label for version in versions]
    sides = make_chain(requests, packages, tmp_path, [a_trial(backend="tensorflow")], False, titles)
    assert [side.interpreter.parents[1].name for side in sides] == [
        f"tensorflow-cpu==2.{number}.0-numpy==1.26.4" for number in (17, 18, 19)
    ]
    assert [title for title, _ in packages.asked] == [
        "tensorflow==2.17.*",
        "tensorflow==2.18.*",
        "tensorflow==2.19.*",
    ]
    assert not any("tensorflow" in preferred for _, preferred in packages.asked)


def test_an_interpreter_that_sides_share_is_looked_at_once(tmp_path, monkeypatch):
    Script({}).install(monkeypatch)
    looks, look = [], side_request.inspect
    monkeypatch.setattr(side_request, "inspect", lambda *asked: looks.append(asked[:3]) or look(*asked))
    one, other = map(Path, interpreters(tmp_path, ["python18", "python19"]))
    asked = [("baseline", one), ("candidate", other), ("candidate", one)]
    requests = [(name, SideRequest(python=python)) for name, python in asked]
    sides = make_chain(requests, Packages(), tmp_path, [], False)
    assert [(side.name, side.interpreter) for side in sides] == asked
    assert looks == [("baseline", str(one), one), ("candidate", str(other), other)]
    assert [side.label for side in sides] == [str(one), str(other), str(one)]


def test_a_list_ends_at_the_next_option():
    arguments = ["suite", "--versions", "2.19", "2.20", "--pairs", "3", "--versions=2.21", "2.22"]
    assert spread(arguments) == [
        *("suite", "--versions", "2.19", "--versions", "2.20", "--pairs", "3"),
        *("--versions=2.21", "--versions", "2.22"),
    ]


def test_versions_and_sides_exclude_each_other(suite, capsys):
    assert main(command(suite, ["2.20", "2.21"], "--baseline", "keras==3.10")) == 2
    assert "--versions names all sides" in capsys.readouterr().err
