"""What verbs refuse and warn of, to the word: an error and its hint."""

import json
import signal
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.records import a_failure, a_record, a_trial, write_record

from bench.commands import plan, predict, report
from bench.commands.main import main
from bench.commands.target import choose_ids, find_target
from bench.commands.terminal import Terminal
from bench.errors import InputError, InterruptedRun, command
from bench.journal.results import SuiteResults
from bench.plan.decide import PlannedTrial, Prediction
from bench.worker.artifacts import MODEL_FILE
from bench.worker.predict import Answer, Request

BLOCK = '[[matrix]]\nbackbone = "LeNet5"\nmode = "scratch"\n'


@pytest.fixture(autouse=True)
def here(folder: Path) -> Path:
    """A folder with a suite, results without their suite, two results in one folder, and nothing in another one."""
    (folder / "mine.toml").write_text(BLOCK)
    for place in ("old", "several/a", "several/b"):
        (folder / place / "trials").mkdir(parents=True)
    (folder / "empty").mkdir()
    return folder


VERSIONS = "--versions names all sides, so --baseline... and --candidate... say nothing"


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        ("run ~nosuch-user/x", "~nosuch-user/x cannot be found", "There is no such user."),
        (
            "report empty",
            "empty holds no trials, so it is no results folder of a suite",
            "Give a suite file, the name of a suite, or a folder such as results/demo. If it holds images, {command} "
            "init empty writes a suite for them.",
        ),
        (
            "report several",
            "several holds no trials, so it is no results folder of a suite",
            "It holds results of a, b: give one of them.",
        ),
        (
            "run old",
            "old holds results, but their suite file is not known or no longer there",
            "Give the suite file instead.",
        ),
        ("report", "report needs a suite", "Name one, or give --all for a page over all of them."),
        ("report old --all", "report takes a suite or --all, not both", "Leave one of them out."),
        ("regress mine.toml --versions 1 2 --baseline x", VERSIONS, "Leave them out, or leave out --versions."),
        ("init empty --preset quik", "--preset is quik, not quick or thorough", "Did you mean quick?"),
        ("init empty -o mine.toml", "mine.toml exists already", "Give another name with --output, or remove it."),
        (
            "data fetch bccd to --sha256 ab",
            "--sha256 says nothing of bccd, each file of which has a pinned hash of its own",
            "Leave it out.",
        ),
        ("data synth empty", "empty exists already", "Give the name of a new folder."),
        (
            "data show empty -o sheet.xyz",
            "--output sheet.xyz is not the name of a picture",
            "Give a name such as sheet.png.",
        ),
        ("compare old old --change 0", "--change is 0", "Give a number between 0 and 100."),
        ("predict nowhere x.png", "there is no kept model nowhere with model.json beside it", "{kept}"),
        ("history nowhere", "there is no results folder nowhere", "Give the folder that `regress` wrote to."),
        ("ui --port 0", "--port 0 is no port", "Give a number from 1 to 65535, or leave --port out."),
        ("ui --port 65536", "--port 65536 is no port", "Give a number from 1 to 65535, or leave --port out."),
    ],
)  # fmt: skip
def test_what_is_refused(arguments: str, what: str, hint: str, capsys):
    kept = (
        f"A run keeps the network that its answer names; with save_model = true in [suite], {command()} run SUITE "
        "--fresh keeps all of them. Methods of scikit-learn, on features of a network too, are never kept."
    )
    assert main(arguments.split()) == 2
    assert capsys.readouterr().err == f"error: {what}\nhint: {hint.format(command=command(), kept=kept)}\n"


def test_an_id_that_nothing_matches():
    assert choose_ids(["b", "a"], None) == ["b", "a"] and choose_ids(["b", "a"], "a") == ["a"]
    assert choose_ids([], "x") == []
    with pytest.raises(InputError) as caught:
        choose_ids(["b", "a"], "x")
    assert (caught.value.what, caught.value.way_out) == ("no trial matches --only x", "The first trial is b.")


def test_an_interrupted_run_and_a_bug_are_told(monkeypatch, capsys):
    def ends(error: BaseException):
        def find(*_):
            raise error

        monkeypatch.setattr("bench.commands.target.find_target", find)

    ends(InterruptedRun(signal.SIGTERM))
    assert main(["run", "mine.toml"]) == 143
    assert capsys.readouterr().err == (
        "error: interrupted; finished work is recorded\nhint: Repeat the command to resume.\n"
    )
    ends(InterruptedRun(signal.SIGINT))
    assert main(["run", "mine.toml", "--fresh"]) == 130
    assert capsys.readouterr().err.endswith("hint: Repeat the command without --fresh to resume.\n")
    ends(ZeroDivisionError("x"))
    assert main(["run", "mine.toml"]) == 5
    assert capsys.readouterr().err.endswith(
        "error: this is a bug of leukobench\nhint: Please report the lines above.\n"
    )
    assert main([]) == 2
    assert "Benchmark image classifiers trained with Keras and TensorFlow." in capsys.readouterr().out


def test_a_preparation_that_is_interrupted(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("wbc.data.prepare.prepare", interrupted)
    assert main(["data", "prepare", "empty", "to"]) == 130
    said = "to was not written. The same command starts again.\nerror: interrupted\n"
    assert capsys.readouterr().err == said


def test_a_contact_sheet_is_written_here(here: Path, monkeypatch):
    drawn = []
    monkeypatch.setattr("wbc.data.folders.inspect_folder", lambda *given, **more: "seen")
    monkeypatch.setattr("wbc.data.contact_sheet.sheet_of_manifest", lambda *given: given)
    monkeypatch.setattr("bench.commands.data.sets.save", lambda sheet, path: drawn.append((sheet, path)))
    assert main(["data", "show", "cells"]) == 0
    assert drawn == [((Path("cells"), "seen", 8, "train"), Path("contact-sheet.png"))]


def test_a_class_without_an_image_is_the_last_word(monkeypatch, capsys):
    report = SimpleNamespace(manifest="m", lacking=True, ways_out=("Do this.", "Or that."), clean=True)
    monkeypatch.setattr("wbc.data.check.check_folder", lambda *given: report)
    verb = import_module("bench.commands.data.check")  # by a name it is the verb
    monkeypatch.setattr(verb, "print_counts", lambda *given: None)
    monkeypatch.setattr(verb, "_print_report", lambda *given: None)
    assert main(["data", "check", "cells"]) == 2
    assert capsys.readouterr().err == (
        "error: cells: a class has no image that can be read in one of the splits\nhint: Do this.\nOr that.\n"
    )
    report.lacking = False
    for clean, code in ((True, 0), (False, 1)):
        report.clean = clean
        assert main(["data", "check", "cells"]) == code


@pytest.fixture
def model(here: Path) -> Path:
    """The folder of a kept model; what is said of it is for the test."""
    (here / "kept").mkdir()
    (here / "kept" / MODEL_FILE).touch()
    return here / "kept"


def test_a_kept_model_says_what_it_takes(model: Path):
    file, signature = model / MODEL_FILE, model / "model.json"
    said = {"takes": "raw pixels", "classes": ["b", "a"], "image_size": "32", "backend": "jax"}
    signature.write_text(json.dumps(said))
    assert predict._kept(file) == predict.KeptModel(file, ["b", "a"], 32, "jax", {})
    signature.write_text(json.dumps({**said, "reading": {"white": 9.0}}))
    assert predict._kept(file).reading == {"white": 9.0}
    for takes, told in (("scaled pixels", "scaled pixels"), (None, "scaled pixels of an earlier version")):
        content = {**said, "takes": takes} if takes else {key: said[key] for key in said if key != "takes"}
        signature.write_text(json.dumps(content))
        with pytest.raises(InputError) as caught:
            predict._kept(file)
        assert caught.value.what == f"{file} does not take raw pixels: it takes {told}"
        assert caught.value.way_out == (
            "Run its trial again with this version, or load it with Keras and scale pixels yourself."
        )
    for text, why in (
        ("torn", "JSONDecodeError"),
        ('{"takes": "raw pixels"}', "KeyError('classes')"),
        ("[]", "Attribute"),
    ):
        signature.write_text(text)
        with pytest.raises(InputError) as caught:
            predict._kept(file)
        assert caught.value.what.startswith(f"{signature} is damaged: {why}")
        assert caught.value.way_out == "Run its trial again with `run --fresh`."


@pytest.mark.parametrize(("count", "more"), [(1, ""), (2, ""), (3, " and 1 more")])
def test_a_folder_of_results_leads_to_its_models(here: Path, count: int, more: str):
    for number in range(count):
        place = here / "results" / "demo" / "trials" / f"t{number}" / "attempt-1"
        place.mkdir(parents=True)
        (place / MODEL_FILE).touch()
    for start in ("results", "results/demo", "results/demo/trials"):
        named = ", ".join(f"results/demo/trials/t{number}/attempt-1" for number in range(min(count, 2)))
        assert (
            predict._where_models_are(Path(start))
            == f"Give the folder of an attempt below it: {named}{more}."
        )


def answering(monkeypatch, returncode: int = 0, stderr: str = "", answer: dict | None = None) -> list[tuple]:
    """Stand for the process that predicts."""
    asked = []

    def run(command, **options):
        request = json.loads(Path(command[4]).read_text())
        if answer is not None:
            Path(command[5]).write_text(json.dumps(answer))
        asked.append((command, options, request))
        return SimpleNamespace(returncode=returncode, stderr=stderr)

    monkeypatch.setattr(predict.subprocess, "run", run)
    return asked


KEPT = predict.KeptModel(Path("m.keras"), ["a", "b"], 32, "torch", {"white": 9.0})


def test_a_process_of_its_own_predicts_on_the_processor(monkeypatch):
    said = {"files": ["x.png"], "probabilities": [[1.0, 0.0]], "distances": [None]}
    asked = answering(monkeypatch, answer=said)
    assert predict._ask(KEPT, ["x.png"]) == Answer(**said)
    ((started, options, request),) = asked
    assert started[1:4] == ["-P", "-m", "bench.worker.predict"] and not Path(started[4]).exists()
    assert request == asdict(Request("m.keras", ["x.png"], 32, {"white": 9.0}))
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "torch"}
    assert {name: options["env"][name] for name in hidden} == hidden and "PATH" in options["env"]


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"returncode": 1, "stderr": "a\nno such layer\n", "answer": {}}, "no such layer"),
        ({"returncode": -9, "answer": {}}, "-9"),
        ({"returncode": 0}, "0"),
    ],
)
def test_why_it_could_not_predict(monkeypatch, ended: dict, said: str):
    answering(monkeypatch, **ended)
    with pytest.raises(InputError) as caught:
        predict._ask(KEPT, ["x.png"])
    assert caught.value.what == f"m.keras could not predict: {said}"


def test_what_is_predicted_of_images(monkeypatch, model: Path, capsys):
    said = {"takes": "raw pixels", "classes": ["a", "b"], "image_size": 32, "backend": "tensorflow"}
    (model / "model.json").write_text(json.dumps(said))
    shares, distances = [[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]], [1.0, 1.001, None]
    torn = {"t": "torn", "u": "gone"}
    answers = [
        Answer(["x", "y", "z"], shares, distances, 0.05, {"t": "torn"}),
        Answer([], [], [], None, torn),
    ]
    monkeypatch.setattr(predict, "_ask", lambda kept, files: answers.pop(0))
    assert main(["predict", "kept/model.keras", "mine.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["predicted"], one["unlike"], one["distance"]) for one in found["predictions"]] == [
        ("x", "a", False, 1.0), ("y", "b", True, 1.001), ("z", "a", None, None)
    ]  # fmt: skip
    assert found["predictions"][1]["probabilities"] == {"a": 0.2, "b": 0.8}
    assert (found["unreadable"], found["false_flags"], found["another_kind"]) == ({"t": "torn"}, 0.05, False)
    assert [one["count"] for one in found["count"]] == [2, 1] and found["model"].endswith("kept/model.keras")
    assert main(["predict", "kept", "mine.toml"]) == 2
    assert capsys.readouterr().err == "error: none of the images can be read\nhint: torn; gone\n"
    for sources, what in (
        (["none"], "there is no file or folder none"),
        (["empty", "old"], "there are no images in empty, old"),
    ):
        assert main(["predict", "kept", *sources]) == 2
        assert capsys.readouterr().err == f"error: {what}\nhint: Name images, or folders of images.\n"


def test_what_decides_on_a_trial(here: Path, capsys):
    results, trial = SuiteResults(Path("results"), "s"), a_trial()
    failure = a_failure("crashed", "killed [by] signal 9")
    write_record(results.new_attempt(trial), a_record(trial, failure=failure))
    write_record(results.new_attempt(trial), a_record(trial))
    results.new_attempt(trial)
    planned = PlannedTrial(trial, "again", "[bold]it failed", prediction=Prediction(90.0, "[red]a guess"))
    plan._explain(Terminal(width=300), planned, results)
    folder = f"results/s/trials/{trial.id}/attempt"
    assert capsys.readouterr().out.splitlines()[:5] == [
        f"{trial.id}: again, [bold]it failed",
        "predicted to take 2 min, from [red]a guess",
        f"attempt 1: failed, crashed in {failure.phase}: killed [by] signal 9 ({folder}-1)",
        f"attempt 2: done ({folder}-2)",
        f"attempt 3: no result ({folder}-3)",
    ]


@pytest.fixture
def planned(here: Path, monkeypatch):
    """Resolve a suite whose only trial is that of `a_trial`, after these ran; the report's selection."""

    def select(ran: list[str], downloads: list[str]):
        resolved = SimpleNamespace(
            name="mine", trials=[a_trial()], downloads=downloads, description="d", margin=0.03
        )
        monkeypatch.setattr("bench.suite.resolve.resolve_suite", lambda *given: resolved)
        monkeypatch.setattr("bench.report.selection.recorded_ids", lambda results, trials: ["x", "z"])
        for name in ran:
            (here / "results" / "mine" / "trials" / name / "attempt-1").mkdir(parents=True)
        return report._selected(find_target("mine.toml", Path("results")), None, None, None, None)

    return select


@pytest.mark.parametrize(("ran", "downloads", "ids"), [([a_trial().id, "x"], [], 1), (["x", "y"], ["w"], 2)])
def test_a_report_on_a_suite_is_of_its_trials(planned, ran, downloads, ids: int):
    found = planned(ran, downloads)
    assert len(found.trial_ids) == ids and (found.description, found.margin) == ("d", 0.03)
    assert list(found.notes) == []


@pytest.mark.parametrize(("ran", "shown"), [(["x"], "1 trial"), (["x", "y"], "2 trials")])
def test_a_report_on_a_suite_that_ran_otherwise_names_what_ran(planned, ran, shown: str):
    with pytest.raises(InputError) as caught:
        planned(ran, [])
    assert (caught.value.what, caught.value.way_out) == (
        "no trial of mine.toml ran as it is now, by this version and these devices",
        f"`{command()} report results/mine` shows the {shown} that ran.",
    )


def test_a_report_on_a_suite_without_results_is_none(planned):
    with pytest.raises(InputError) as caught:
        planned([], [])
    assert (caught.value.what, caught.value.way_out) == (
        "there are no results of mine in results",
        f"Make them with `{command()} run mine.toml`, or name their folder with --results.",
    )
