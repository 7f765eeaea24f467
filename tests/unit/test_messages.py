"""Messages for people: short, whole sentences, and nothing that only a programmer reads. `conftest` checks them all."""

import sys

import pytest
from equipment.results.records import a_record, a_trial, write_record

from bench.commands.main import main
from bench.commands.terminal import Terminal, print_rows
from bench.errors import InUse, ResultsError
from bench.journal.results import SuiteResults
from bench.tracking.server import served
from bench.worker.process import explain
from wbc.errors import DataKeyError, InputError, did_you_mean, nearest, reason_of, shortened, two_sentences

ID = "lenet5-scratch-3e-s0-32px-train2-sgd0.01-bcb8357c"


@pytest.mark.parametrize("kind", [InputError, ResultsError, InUse])
def test_what_is_wrong_and_what_to_do_stay_two_sentences_when_they_are_joined(kind):
    said = " ".join(str(kind("the key is wrong", "did you mean epochs?")).split())
    assert said == "the key is wrong. Did you mean epochs?"
    assert str(kind("Is it there?", "Look.")) == "Is it there?\nLook."
    assert str(kind("the key is wrong")) == "the key is wrong"


def test_the_line_of_a_failed_trial_is_two_sentences():
    assert explain(InputError("no weights", "Give some.")) == ("setup", "no weights. Give some.")


@pytest.mark.parametrize("kind", [InputError, ResultsError])
def test_a_message_that_holds_too_much_keeps_its_ends(kind):
    error = kind(f"suite.toml, line 7: {'x' * 100_000} is no network", "y" * 100_000)
    assert len(str(error)) <= 900
    assert error.what.startswith("suite.toml, line 7: ") and error.what.endswith(" is no network")


@pytest.mark.parametrize("width", [20, 40, 79, 200])
def test_ids_and_statuses_stay_whole_however_narrow_the_terminal_is(width, capsys):
    rows = [(ID, "unfinished", "1 h 20 min", "the harness was killed; resumes from its checkpoint")]
    print_rows(Terminal(width=width), ("trial", "status", "takes", "why"), rows, "demo: 1 trial", whole=3)
    said = capsys.readouterr().out
    assert ID in said and "unfinished" in said and "1 h 20 min" in said and "…" not in said
    assert "killed" in said


@pytest.mark.parametrize("port", ["-1", "0", "65536", "99999"])
def test_a_port_that_is_none_is_told(tmp_path, port, capsys):
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(InputError, match=f"--port {port} is no port"), served(tmp_path, int(port)):
        pass


def test_why_of_a_trial_shows_no_none(tmp_path, monkeypatch, capsys):
    suite = tmp_path / "small.toml"
    suite.write_text(
        '[data]\nsource = "synthetic"\nimage_size = 32\n[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n'
    )
    assert main(["plan", str(suite), "--why", "knn", "--results", str(tmp_path / "results")]) == 0
    said = capsys.readouterr().out
    assert "None" not in said and "not set" in said


def test_a_failure_without_a_phase_shows_no_none(tmp_path, capsys):
    from equipment.results.records import a_failure

    from bench.commands.plan import _explain
    from bench.plan.decide import make_plan

    trial = a_trial("LeNet5", epochs=1)
    results = SuiteResults(tmp_path, "suite")
    write_record(
        results.new_attempt(trial), a_record(trial, status="failed", failure=a_failure(phase=None), test=None)
    )
    (planned,) = make_plan([trial], results)
    _explain(Terminal(), planned, results)
    assert "None" not in capsys.readouterr().out


def test_a_long_text_keeps_its_ends():
    assert shortened("x" * 440) == "x" * 440
    text = "".join(map(str, range(1000)))
    assert shortened(text[:441]) == f"{text[:217]} ... {text[441 - 217 : 441]}"


@pytest.mark.parametrize(
    ("what", "way_out", "joined"),
    [
        ("a", "", "a"),
        ("a", "B.", "a.\nB."),
        ("a.", "B.", "a.\nB."),
        ("a!", "B.", "a!\nB."),
        ("a:", "did you mean b? did you mean c?", "a:\nDid you mean b? did you mean c?"),
    ],
)
def test_two_sentences(what, way_out, joined):
    assert two_sentences(what, way_out) == joined
    error = DataKeyError("white", what, way_out)
    assert (error.key, str(error), error.args) == ("white", joined, (what,))


def test_similar_words_are_asked_for():
    assert did_you_mean("vgg-16", ["VGG16", "VGG19"]) == "did you mean VGG16?"
    assert did_you_mean("xyz", ["VGG16"]) == "" and nearest("xyz", ["VGG16"]) is None
    assert nearest("abcde", ["abcxy"]) == "abcxy" and nearest("abcde", ["abwxy"]) is None, (
        "0.6 alike, and 0.4"
    )


def test_an_unexpected_error_in_a_line_of_three_hundred_letters():
    assert reason_of(ValueError("a\n   b")) == "ValueError: a b"
    assert reason_of(ValueError("x" * 400)) == "ValueError: " + "x" * 288


@pytest.mark.parametrize(
    ("started", "said"),
    [
        (["/a/bench/__main__.py", "run"], "python -m bench"),
        (["/a/other/__main__.py"], "leukobench"),
        (["/usr/bin/leukobench"], "leukobench"),
        ([], "leukobench"),
    ],
)
def test_messages_name_the_command_as_it_was_started(monkeypatch, started, said):
    from wbc.errors import command

    monkeypatch.setattr(sys, "argv", started)
    assert command() == said
