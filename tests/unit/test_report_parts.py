"""Parts of the report by hand: what is chosen, drawn of a machine and counted on the page; words of the answer."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from equipment.results.records import a_failure, a_record, a_trial, write_record

from bench.journal.results import SuiteResults
from bench.report import answer, cautions, gather, page, rows, winner
from bench.report.figures.figure import PHASE_COLORS
from bench.report.figures.machine import Samples, over_time
from bench.report.pareto import Candidate
from bench.report.sections import TrialTable, trial_table
from bench.report.selection import recorded_ids, select_folder
from bench.report.tables.table import Table
from bench.trials.layout import OVERVIEW
from bench.worker.jsonl import EventWriter

NAN = float("nan")


def samples(**values: list[float]) -> Samples:
    gauges = {name.replace("__", "/").replace("gpu0", "gpu:0"): np.array(one) for name, one in values.items()}
    return Samples(np.array([0.0, 50.0, 100.0]), gauges, [("train", 0.0, 7.1), ("odd", 7.1, 14.1)], 4)


def test_a_machine_with_a_gpu_over_time():
    drawn = over_time(
        "machine-0",
        "VGG16",
        samples(
            gpu0__gpu_utilization=[0.0, 0.5, 1.0],
            gpu0__gpu_memory_bytes=[2**30, 2**31, NAN],
            cpu_percent=[1.0, 1.0, 1.0],
            rss_bytes=[1.0, 1.0, 1.0],
        ),
        "#123456",
    )
    busy, held = drawn.data
    assert (busy["name"], busy["y"], busy["yaxis"]) == ("gpu:0 busy", [0.0, 50.0, 100.0], "y")
    assert (held["name"], held["y"], held["yaxis"]) == ("gpu:0 memory", [1.0, 2.0], "y2")
    assert busy["line"]["color"] == "#123456" and busy["line"]["dash"] == held["line"]["dash"] == "solid"
    first, second = drawn.layout["shapes"]
    assert (first["x0"], first["x1"], first["fillcolor"]) == (0.0, 7.1, PHASE_COLORS["train"])
    assert (second["x0"], second["x1"], second["fillcolor"]) == (7.1, 14.1, "#999999")
    (mark,) = drawn.layout["annotations"]
    assert (mark["text"], mark["x"]) == ("train", 3.55), "7 s of 100 s are too short for a name"
    assert (drawn.name, drawn.small, drawn.height) == ("machine-0", True, 340)


def test_a_machine_without_a_gpu_over_time():
    drawn = over_time(
        "m", "KNN", samples(cpu_percent=[100.0, 400.0, NAN], rss_bytes=[2**30, 2**29, 0.0]), "#1"
    )
    busy, held = drawn.data
    assert (busy["name"], busy["y"]) == ("cores busy", [25.0, 100.0])
    assert (held["name"], held["y"]) == ("memory of the processes", [1.0, 0.5, 0.0])
    only = over_time("m", "KNN", samples(cpu_percent=[NAN] * 3, rss_bytes=[1.0, 1.0, 1.0]), "#1")
    assert [one["name"] for one in only.data] == ["memory of the processes"]
    assert [one["name"] for one in over_time("m", "x", samples(cpu_percent=[1.0] * 3), "#1").data] == [
        "cores busy"
    ]
    assert over_time("m", "x", samples(gpu0__gpu_utilization=[NAN] * 3), "#1") is None


def contents(trials: pd.DataFrame, **more) -> SimpleNamespace:
    usual = {"decision": None, "origin": None, "command": "leukobench run demo", "found": [], "figures": {}}
    return SimpleNamespace(**{**usual, "trials": trials, **more})


def test_what_the_page_counts():
    status = ["done", "done", "failed", "interrupted", "not run", "unfinished", "failed"]
    assert page._counts(contents(pd.DataFrame({"status": status}))) == {
        "done": 2,
        "total": 7,
        "others": [("failed", 2), ("interrupted", 1), ("unfinished", 1), ("not run", 1)],
    }
    assert page._counts(contents(pd.DataFrame())) == {"done": 0, "total": 0, "others": []}
    assert page._disturbed(contents(pd.DataFrame({"disturbed": ["x", None, "y"]}))) == 2
    assert page._disturbed(contents(pd.DataFrame({"status": status}))) == 0
    troubled, left = page._troubled(
        contents(pd.DataFrame({"trial": ["a", "b"], "status": ["done", "not run"]}))
    )
    assert (troubled.headings, troubled.rows, left) == (
        ["trial", "status", "reason"],
        [["b", "not run", ""]],
        "",
    )


@pytest.mark.parametrize(
    ("name", "alone"),
    [("latency", True), ("cost", False), ("accuracy-transfer-9", False), ("transfer-against-scratch", False)],
)
def test_tables_without_a_section(name: str, alone: bool):
    assert page._of_no_section(name) is alone


def test_why_no_figure_shows_energy():
    reasons = pd.DataFrame({"unavailable": [f"energy: reason {number}" for number in range(4)]})
    figures = {"price": [SimpleNamespace(name="accuracy-time")]}
    assert page._no_energy(contents(reasons, figures=figures)) == "reason 0; reason 1; reason 2"
    assert page._no_energy(contents(reasons)) == ""


@pytest.mark.parametrize(
    ("most", "notes"), [(3, ["a note"]), (2, ["2 of 3 rows; all of them are in t.csv.", "a note"])]
)
def test_a_table_of_the_page(most: int, notes: list[str]):
    table = Table("demo: training time", "t", pd.DataFrame({"network": ["a", "b", "c"]}), notes=("a note",))
    shown = page.shown_table(table, "demo", True, most)
    assert (shown.title, shown.file, shown.notes, shown.closed) == ("Training time", "t", notes, True)
    assert shown.grid.rows == [["a"], ["b"], ["c"]][:most]
    assert page.shown_table(table).title == "Demo: training time" and not page.shown_table(table).closed


@pytest.mark.parametrize(
    ("column", "side"), [(["1.5", ""], "num"), (["a" * 24, ""], "short"), (["a" * 25], ""), ([], "short")]
)
def test_the_side_of_a_column(column: list[str], side: str):
    assert page._side(column) == side


def test_the_facts_of_a_page():
    trials = pd.DataFrame(
        {
            "runtime": [f"r{number}" for number in range(7)],
            "started_at": [f"2026-03-0{n}T08:00:00" for n in range(1, 8)],
        }
    )
    facts = dict(page._facts(contents(trials, origin=a_record()), "now"))
    assert facts["With"] == "r0; r1; r2; r3; r4; r5; 1 more"
    assert facts["Trials ran"] == "2026-03-01T08:00 to 2026-03-07T08:00 UTC"
    assert (facts["Made"], facts["By"], facts["On"]) == (
        "now",
        "leukobench run demo",
        "NVIDIA GeForce RTX 4090",
    )
    assert f"digest {'d' * 16}," in f"{facts['Data']}," and "tensorflow 2.21.0" in facts["Environment"]
    few = dict(page._facts(contents(trials.head(6)), "now"))
    assert few["With"] == "r0; r1; r2; r3; r4; r5" and few["On"] == few["Data"] == few["Environment"] == ""
    assert dict(page._facts(contents(pd.DataFrame()), "now"))["Trials ran"] == ""


def test_the_curves_that_are_shown_first():
    def trace(group: str, metric: str, split: str) -> dict:
        return {"meta": {"group": group, "network": "VGG16", "metric": metric, "split": split}}

    data = [
        trace(g, m, s)
        for g in ("one", "two")
        for m in ("loss", "accuracy")
        for s in ("training", "validation")
    ]
    from bench.report.figures.figure import Figure

    drawn = {"curves": [Figure("curves", "Learning curves", data)]}
    shown = page._curves(contents(pd.DataFrame(), figures=drawn))
    assert (shown.groups, shown.networks, shown.metrics, shown.first) == (
        ["one", "two"],
        ["VGG16"],
        ["accuracy", "loss"],
        "one",
    )
    assert [one["visible"] for one in shown.figure.data] == [
        False,
        False,
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    named = SimpleNamespace(named=SimpleNamespace(group="two"))
    shown = page._curves(contents(pd.DataFrame(), figures=drawn, decision=named))
    assert shown.first == "two" and [one["visible"] for one in shown.figure.data].index(True) == 7
    assert page._curves(contents(pd.DataFrame())) is None


def test_each_networks_best_come_first():
    frame = pd.DataFrame({"network": ["a", "a", "b", "a"], "balanced_accuracy": [0.9, 0.8, 0.1, 0.95]})
    assert list(gather._best_first(frame, 2).index) == [2, 3]
    assert list(gather._best_first(frame, 3, keep_order=False).index) == [3, 2, 0]
    decision = SimpleNamespace(named=SimpleNamespace(configuration="y"))
    some = [{"configuration": one} for one in "xyz"]
    assert [
        one["configuration"] for one in gather._named_first(SimpleNamespace(decision=decision), some)
    ] == list("yxz")
    assert gather._named_first(SimpleNamespace(decision=None), some) == some


def test_logs_of_what_failed(tmp_path: Path):
    results, ids = SuiteResults(tmp_path, "s"), []
    for seed, (kind, log) in enumerate(
        (("crashed", ("last line",)), ("crashed", ()), ("interrupted", ("stopped",)))
    ):
        of = a_trial(seed=seed)
        write_record(results.new_attempt(of), a_record(failure=a_failure(kind, log=log)))
        ids.append(of.id)
    trials = pd.DataFrame({"trial": ids, "attempt": 1, "status": ["failed", "failed", "interrupted"]})
    found = contents(trials, logs={})
    gather._failures(results, found)
    assert {name: tuple(log) for name, log in found.logs.items()} == {
        ids[0]: ("last line",),
        ids[2]: ("stopped",),
    }
    found = contents(trials, logs={})
    gather._failures(results, found, most=2)
    assert list(found.logs) == [ids[0]]


def test_a_damaged_trial_hides_no_other_ones_id(tmp_path: Path):
    results = SuiteResults(tmp_path, "s")
    ran = [a_trial("VGG16", seed=seed, weights={"name": "imagenet", "sha256": "0123"}) for seed in range(4)]
    for one in ran:
        results.new_attempt(one)
    first, *rest = sorted(ran, key=lambda one: results.trial_ids().index(one.id))
    (results.trials / first.id / "attempt-1" / "trial.json").write_text("{")
    asked = [a_trial("VGG16", seed=one.settings.seed, weights={"name": "imagenet"}) for one in (first, *rest)]
    assert recorded_ids(results, asked) == [asked[0].id, *(one.id for one in rest)]


def test_a_folder_of_results_is_what_it_holds(tmp_path: Path):
    from bench.errors import InputError

    (tmp_path / "empty" / "trials").mkdir(parents=True)
    for folder, what, way_out in (
        (tmp_path / "empty", "holds no attempt at any trial", "Run its suite first."),
        (
            tmp_path,
            "holds no trials, so it is no results folder of a suite",
            "It holds results of empty: name one",
        ),
        (
            tmp_path / "empty" / "trials",
            "holds no trials",
            "Name a suite file, or a folder such as results/demo.",
        ),
    ):
        with pytest.raises(InputError) as caught:
            select_folder(folder)
        assert what in caught.value.what and caught.value.way_out.startswith(way_out)
    assert OVERVIEW == "suites.html"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lambda: answer._times(9.94), "9.9 times"),
        (lambda: answer._times(10), "10 times"),
        (lambda: answer._points(0.01), "1 point"),
        (lambda: answer._points(0.025), "2.5 points"),
        (lambda: answer._about(7), "7"),
        (lambda: answer._about(99), "99"),
        (lambda: answer._about(1249), "1,200"),
        (lambda: answer._about(1251), "1,300"),
        (lambda: answer.majority(None, 4), ""),
        (lambda: answer.majority(0.5, 0), ""),
        (lambda: answer.majority(0.512, 8)[-45:], "comes to 51.2 % accuracy and 12.5 % balanced accuracy."[-45:]),
        (lambda: answer.SameImages().classes, 0),
        (lambda: answer.in_one_sentence(None), ""),
    ],
)  # fmt: skip
def test_words_of_the_answer(said, expected):
    assert said() == expected


def test_accuracy_with_and_without_an_interval():
    one = Candidate("a", "a", "scratch", "g", 0.8123, 0.7, 0.9, 1.0, None, 1)
    assert answer.accuracy(one) == "81.2 % balanced accuracy (95 %: 70.0–90.0)"
    bare = Candidate("a", "a", "scratch", "g", 0.8123, None, None, 1.0, None, 1)
    assert answer.accuracy(bare) == "81.2 % balanced accuracy" and one.name == "a, g"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        ('a"b\x7f', '"a\\"b\\u007f"'),
        ({"a b": 1, "c": [1, "x"]}, '{ "a b" = 1, c = [1, "x"] }'),
        (1e-05, "1e-05"),
        (3, "3"),
    ],
)
def test_values_as_toml(value, text: str):
    assert winner._toml(value) == text
    assert [winner._text(one) for one in (True, False, (1, 2), [], 3)] == ["yes", "no", "1, 2", "", "3"]


def test_cautions_about_devices_and_caches(tmp_path: Path):
    def said(**columns) -> list[str]:
        frame = pd.DataFrame({"mode": "transfer", "status": "done", **columns})
        return cautions.cautions(SuiteResults(tmp_path, "s"), frame)

    assert said(runtime=["device T4, keras 3", "device A100, keras 3", "device T4"]) == [
        "Trials ran on 2 kinds of device (1 on A100, 2 on T4): compare what they learned, but not their times. "
        "accelerator in [devices] asks for one."
    ]
    assert said(runtime=["device cpu", "device cpu", None], cores=[2.0, 4.0, 4.0]) == [
        "Trials ran on different numbers of cores (1 on 2, 2 on 4): compare what they learned, but not their times."
    ]
    assert said(runtime=["device cpu"] * 2, cores=[2.0, 2.0]) == [] == said(cores=[2.0, 4.0])
    assert said(not_shared=["full", "full", "b", "c", "d"]) == [
        "5 trials could not put their features or pixels into the cache, so no other trial finds them there: full; b; "
        "c."
    ]
    assert said(not_shared=["full", None])[0].startswith("1 trial could not put its features")
    assert cautions.cautions(SuiteResults(tmp_path, "s"), pd.DataFrame({"status": ["done"]})) == []


def shown(table: TrialTable) -> list[dict[str, str]]:
    return [dict(zip(table.headings, (one.text for one in row), strict=True)) for row in table.rows]


def test_the_columns_of_all_trials():
    both = {"mode": ["transfer", "scratch"], "epochs": [9.0, 90.0], "weights": ["imagenet", "none"]}
    both |= {"variant": ["Adam 1e-3", ""], "device": ["A100", "T4"], "seeds": ["seed 0", "seed 1"]}
    measured = {"test_accuracy": 0.9123, "epochs_run": [9.0, 40.0], "result_s": 90.0, "fit_s": 80.0}
    measured |= {"train_images_per_s": 400.4, "latency_1_p50_s": 0.0123, "energy_j": 1500.0}
    times = {
        "seconds to 90 % of best": [3.0, "never"],
        "seconds to 80 % of best": 1.0,
        "seconds to 95 % of best": 2.0,
    }
    usual = {
        "trial": ["a", "b"],
        "network": ["VGG16", None],
        "status": "done",
        "reason": "",
        "balanced_accuracy": [0.8, NAN],
    }
    table = trial_table(pd.DataFrame({**usual, **both, **measured, **times}))
    first, second = shown(table)
    assert list(first.items()) == [
        *(("network", "VGG16"), ("mode", "transfer"), ("epochs", "9"), ("starts from", "imagenet")),
        *(("differs in", "Adam 1e-3"), ("device", "A100"), ("seeds", "seed 0"), ("balanced %", "80.0")),
        *(
            ("to 90 % of best", "3.00 s"),
            ("accuracy %", "91.2"),
            ("epochs run", "9"),
            ("time to result", "1.50 min"),
        ),
        *(("training", "80.0 s"), ("images/s", "400"), ("answers in", "12.3 ms"), ("energy", "1.50 kJ")),
    ]
    assert second["network"] == "b" and second["balanced %"] == "" and second["to 90 % of best"] == "never"
    texts = [heading for heading, number in zip(table.headings, table.numeric, strict=True) if not number]
    assert texts == ["network", "mode", "starts from", "differs in", "device", "seeds"]
    assert table.rows[0][0].order == "vgg16" and table.count == 2


def test_the_last_epoch_in_the_end_of_a_journal(tmp_path: Path):
    attempt = SuiteResults(tmp_path, "s").new_attempt(a_trial())
    assert rows._last_epoch(attempt) == 0
    journal = EventWriter(attempt.events)
    journal.write("epoch", epoch=1, metrics={})
    journal.write("epoch", epoch=2, metrics={})
    journal.write("heartbeat", done=1, total=2)
    journal.close()
    assert rows._last_epoch(attempt) == 2
    attempt.events.write_bytes(attempt.events.read_bytes() + b'{"event": "epoch", "epoch": 7')
    assert rows._last_epoch(attempt) == 2, "its last line is torn"
    attempt.events.write_bytes(b'x"event": "epoch", "epoch": 7}\n')
    assert rows._last_epoch(attempt) == 0


@pytest.mark.parametrize(
    ("metric", "reasons"),
    [
        ("energy", ["no meter", "too old"]),
        ("power_w", ["not read"]),
        ("gpu_utilization", []),
        ("nothing", []),
    ],
)
def test_why_a_metric_is_missing(metric: str, reasons: list[str]):
    said = [
        "energy: no meter\ngpu:0 power_w: not read",
        "energy: no meter\ngpu:1 power_w: not read",
        "energy: too old",
        NAN,
    ]
    assert rows.reasons_of(said, metric) == reasons
