"""What `report`, the page of a run and `predict` hand over, and what they make of the answer."""

import json
from io import StringIO
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from equipment.suites import FEW_CELLS

from bench.commands import predict
from bench.commands.main import main
from bench.commands.report import WrittenPage, write_page
from bench.commands.terminal import Terminal
from bench.errors import InputError, command
from bench.journal.results import SuiteResults
from bench.suite.resolve import resolve_suite

SUITE = f"""[suite]
name = "mine"
description = "of cells"
margin = 3
{FEW_CELLS}
[[matrix]]
mode = "classical"
backbone = ["KNN", "SVM"]
"""


def test_report_hands_over_what_it_is_about(folder: Path, monkeypatch):
    (folder / "mine.toml").write_text(SUITE)
    trials = resolve_suite(folder / "mine.toml", folder / "cache", "cpu").trials
    for results, trial in product(("r", "results"), trials):
        (folder / results / "mine" / "trials" / trial.id / "attempt-1").mkdir(parents=True)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def make_report(*given: Any, **named: Any) -> None:
        calls.append((given, named))
        raise InputError("stopped here", "")

    monkeypatch.setattr("bench.report.report.make_report", make_report)
    given = [
        "--devices",
        "cpu",
        "--reference",
        "bloodmnist",
        "--only",
        "knn*",
        "-o",
        "there",
        "--results",
        "r",
    ]
    assert main(["report", "mine.toml", *given]) == 2
    ((results, ids, *rest), named) = calls[0]
    assert results.folder == Path("r/mine") and [one.partition("-")[0] for one in ids] == ["knn"]
    assert rest == ["bloodmnist", "of cells", (), f"{command()} report mine.toml --reference bloodmnist"]
    assert named == {"to": Path("there"), "margin": pytest.approx(0.03)}
    assert main(["report", "mine.toml", "--devices", "cpu"]) == 2
    ((_, ids, *rest), named) = calls[1]
    assert [one.partition("-")[0] for one in ids] == ["knn", "svm"] and named["to"] is None
    assert rest == [None, "of cells", (), f"{command()} report mine.toml"]


def test_the_page_of_a_run(tmp_path: Path, monkeypatch):
    (tmp_path / "mine.toml").write_text(SUITE)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def make_report(*given: Any, **named: Any) -> SimpleNamespace:
        calls.append((given, named))
        return SimpleNamespace(decision=None, trials=pd.DataFrame())

    monkeypatch.setattr("bench.report.report.make_report", make_report)
    results, suite = SuiteResults(tmp_path, "mine"), tmp_path / "mine.toml"
    found = write_page(Terminal(file=StringIO()), results, ["x"], suite)
    assert found == WrittenPage(results.report / "report.html", "", [])
    said = {"description": "of cells", "command": f"{command()} run {suite}", "margin": pytest.approx(0.03)}
    assert calls == [((results, ["x"]), said)]


KEPT = predict.KeptModel(Path("model.keras"), ["a", "b"], 48, "jax", {"fit": "pad"})


def test_a_model_is_asked_in_a_process_that_sees_no_gpu(monkeypatch):
    seen: dict[str, Any] = {}

    def run(words: list[str], *, env: dict[str, str], **more: Any) -> SimpleNamespace:
        seen.update(words=words[1:4], env=env, request=json.loads(Path(words[4]).read_text()))
        Path(words[5]).write_text(
            json.dumps({"files": ["x.png"], "probabilities": [[1.0, 0.0]], "distances": [None]})
        )
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setenv("KEPT_TOO", "yes")
    monkeypatch.setattr("subprocess.run", run)
    found = predict._ask(KEPT, ["x.png", "y.png"])
    assert (found.files, found.probabilities, found.distances, found.rate) == (
        ["x.png"],
        [[1.0, 0.0]],
        [None],
        None,
    )
    assert seen["words"] == ["-P", "-m", "bench.worker.predict"]
    env = {name: seen["env"].get(name) for name in ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "KEPT_TOO")}
    assert env == {"CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "jax", "KEPT_TOO": "yes"}
    assert list(seen["request"].values()) == ["model.keras", ["x.png", "y.png"], 48, {"fit": "pad"}]


@pytest.mark.parametrize(
    ("code", "stderr", "said"), [(1, "first\nlast line\n", "last line"), (3, "", "3"), (0, "", "0")]
)
def test_a_model_that_does_not_answer_says_why(monkeypatch, code: int, stderr: str, said: str):
    monkeypatch.setattr(
        "subprocess.run", lambda *given, **more: SimpleNamespace(returncode=code, stderr=stderr)
    )
    with pytest.raises(InputError) as caught:
        predict._ask(KEPT, [])
    assert caught.value.what == f"model.keras could not predict: {said}"


def test_what_no_images_are_found_in(tmp_path: Path):
    for given, what in (
        ([tmp_path / "nowhere"], f"there is no file or folder {tmp_path / 'nowhere'}"),
        ([tmp_path, tmp_path], f"there are no images in {tmp_path}, {tmp_path}"),
    ):
        with pytest.raises(InputError) as caught:
            predict._images(given)
        assert (caught.value.what, caught.value.way_out) == (what, "Name images, or folders of images.")
    assert predict.MOST_NAMED == 2
