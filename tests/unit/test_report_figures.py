"""Figures: valid for Plotly, true to the curves, and deaf to what names contain."""

import json
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from equipment.attempts import read_events
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.suites import thesis_suite

from bench.journal.results import SuiteResults
from bench.report.figures import tradeoff
from bench.report.figures.figure import PALETTE, Colors, thin
from bench.report.figures.learning import MOST_A_GROUP, all_networks, attempt_of, mean_course, read_groups
from bench.report.figures.machine import read_samples
from bench.report.figures.tradeoff import against_cost
from bench.report.frame import trials_frame
from bench.report.gather import Contents, gather
from bench.report.pareto import Candidate, best_of, front
from bench.telemetry.trace import read_trace

NETWORKS = ("VGG16", "ResNet50", "DenseNet121")
HOSTILE = ("<img src=x onerror=alert(1)>", "a<br>b & <b>c</b>", "%{x} $y$")


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> tuple[SuiteResults, list[str]]:
    root = tmp_path_factory.mktemp("thesis")
    plan = (("transfer", 40), ("scratch", 40), ("transfer", 2000))
    return thesis_suite(root, networks=NETWORKS, classes=HOSTILE, plan=plan, images=root / "images")


@pytest.fixture(scope="module")
def contents(suite) -> Contents:
    return gather(*suite)


def every_figure(contents: Contents):
    return [figure for own in contents.figures.values() for figure in own]


def test_every_kind_of_figure_is_there(contents):
    assert set(contents.figures) == {
        "price",
        "curves",
        "phases",
        "classes",
        "side by side",
        "means",
        "all networks",
        "modes",
        "each network",
        "confusion",
        "machine",
    }
    assert all(contents.figures.values())
    names = [figure.name for figure in every_figure(contents)]
    assert len(set(names)) == len(names)
    assert {f"{metric}-transfer-40" for metric in ("loss", "accuracy", "validation-loss")} <= set(names)
    price = [figure.name for figure in contents.figures["price"]]
    assert price == ["accuracy-time", "accuracy-energy", "time-to-accuracy"]


def test_figures_are_valid_for_plotly(contents):
    for figure in every_figure(contents):
        go.Figure(data=figure.data, layout=figure.layout)  # raises on what Plotly does not know
        json.dumps({"data": figure.data, "layout": figure.layout}, allow_nan=False)


def texts_of(value) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_of(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) else []


def test_names_cannot_be_markup_of_plotly(contents):
    said = [text for one in every_figure(contents) for text in texts_of(one.data) + texts_of(one.layout)]
    assert any("&lt;img src=x" in text for text in said)
    for text in said:
        assert "<" not in text.replace("<br>", "").replace("<extra></extra>", ""), text
    templates = [text for text in said if "<extra>" in text or "%{" in text]
    assert templates
    for one in every_figure(contents):
        for trace in one.data:
            for key in ("hovertemplate", "texttemplate"):
                assert "img" not in trace.get(key, "") and "%{x}" not in trace.get(key, "")


def test_one_color_for_one_network(contents):
    seen: dict[str, set] = {}
    for kind in ("all networks", "classes", "price"):
        for figure in contents.figures[kind]:
            for trace in figure.data:
                if trace["name"] in NETWORKS:
                    color = (trace.get("marker") or trace.get("line"))["color"]
                    seen.setdefault(trace["name"], set()).add(color)
    assert {name: len(colors) for name, colors in seen.items()} == dict.fromkeys(NETWORKS, 1)
    many = Colors(map(str, range(40)))
    assert len({many[str(number)] for number in range(40)}) == 40
    assert many["0"] == PALETTE[0]


def test_thinning_keeps_ends_and_extremes():
    draw = np.random.default_rng(0)
    y = draw.normal(0, 1, 5000)
    y[1234], y[4321], y[77] = 40.0, -40.0, np.nan
    x, thinned = thin(range(5000), y, 300)
    assert len(x) <= 300
    assert (x[0], x[-1]) == (0, 4999)
    assert (thinned.max(), thinned.min()) == (40.0, -40.0)
    assert (np.diff(x) > 0).all() and np.isfinite(thinned).all()
    assert (y[x.astype(int)] == thinned).all()
    logarithmic, _ = thin(range(1, 5001), draw.normal(0, 1, 5000), 300, logarithmic=True)
    assert logarithmic[:10].tolist() == list(range(1, 11)), "few epochs are not skipped where they are wide"
    assert len(logarithmic) <= 300 and logarithmic[-1] == 5000
    short, same = thin([1, 2, 3], [3.0, np.nan, 1.0], 300)
    assert (short.tolist(), same.tolist()) == ([1, 3], [3.0, 1.0])
    assert len(thin([], [], 300)[0]) == 0


def test_curves_are_those_of_the_journals(suite):
    results, ids = suite
    trials = trials_frame(results, ids)
    groups, left_out = read_groups(results, trials)
    assert [(group.mode, group.epochs) for group in groups] == [
        ("transfer", 40),
        ("scratch", 40),
        ("transfer", 2000),
    ]
    assert left_out == 0
    course = groups[2].courses[1]
    epochs = [
        event for event in read_events(attempt_of(results, course.row).events) if event["event"] == "epoch"
    ]
    assert course.metrics["validation_loss"].tolist() == [one["metrics"]["validation_loss"] for one in epochs]
    figure = all_networks(groups, Colors(NETWORKS))[-2]
    assert figure.name == "validation-loss-transfer-2000"
    drawn = figure.data[1]
    assert max(drawn["y"]) == float(f"{course.metrics['validation_loss'].max():.5g}")
    assert drawn["x"][-1] == 2000
    epoch, mean = mean_course(groups[0].courses, "loss")
    values = [one.metrics["loss"] for one in groups[0].courses]
    assert mean == pytest.approx(np.mean(values, axis=0))
    assert epoch.tolist() == list(range(1, 41))


def test_a_replicate_under_way_is_no_curve_of_its_own(tmp_path):
    """It has no variant yet, but the key of its configuration: of that, the replicate that is done is drawn."""
    results, ids = SuiteResults(tmp_path, "seeds"), []
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0, "evaluate": 1.0, "teardown": 0.1}
    test = {
        "images": 2,
        "accuracy": 0.5,
        "loss": 1.0,
        "balanced_accuracy": 0.5,
        "per_class_accuracy": {"a": 0.5},
    }
    for batch_size in (8, 16):
        done = trial_of("VGG16", "scratch", 3, batch_size=batch_size)
        write_attempt(results, done, Course(seconds, 0.5, 3.0, test, predictions="file\n"))
        ids.append(done.id)
    running = trial_of("VGG16", "scratch", 3, seed=1, batch_size=8)
    write_attempt(results, running, Course(seconds, 0.5, 3.0, None, stopped_at=2), over=False)
    ((group,), _) = read_groups(results, trials_frame(results, [running.id, *ids]))
    assert [course.label for course in group.courses] == ["VGG16, batch size 8", "VGG16, batch size 16"]


def test_a_group_of_too_many_says_so(tmp_path):
    results, ids = SuiteResults(tmp_path, "wide"), []
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0, "evaluate": 1.0, "teardown": 0.1}
    for number in range(MOST_A_GROUP + 6):
        shares = {"balanced_accuracy": number / 100, "per_class_accuracy": {"a": 0.5}}
        test = {"images": 2, "accuracy": 0.5, "loss": 1.0, **shares}
        trial = trial_of(NETWORKS[number % 3], "scratch", 3, batch_size=number + 1)
        write_attempt(results, trial, Course(seconds, 0.5, 3.0, test, predictions="file\n"))
        ids.append(trial.id)
    ((group,), _) = read_groups(results, trials_frame(results, ids))
    assert (len(group.courses), group.left_out) == (MOST_A_GROUP, 6)
    drawn = {course.row["balanced_accuracy"] for course in group.courses}
    assert min(drawn) == 0.06, "the least accurate are left out"
    figure = all_networks([group], Colors(NETWORKS))[0]
    assert "24 of 30 configurations" in figure.caption
    contents = gather(results, ids)
    assert any("24 of 30" in one.caption for one in every_figure(contents))


def test_what_a_scatter_leaves_out_is_said(monkeypatch):
    monkeypatch.setattr(tradeoff, "MOST_POINTS", 3)
    found = [
        Candidate(f"n{number}", "VGG16", "transfer", "g", accuracy, None, None, seconds, None, 1)
        for number, (accuracy, seconds) in enumerate([(0.5, 1), (0.9, 9), (0.8, 10), (0.7, 11)])
    ]
    figure = tradeoff.against_cost(found, "seconds", Colors(["VGG16"]))
    assert figure.caption == "3 of 4 configurations: the Pareto front and the most accurate others."
    assert sorted(figure.data[1]["y"]) == [50, 80, 90], "the fastest is not among the most accurate"
    assert "of" not in tradeoff.against_cost(found[:3], "seconds", Colors(["VGG16"])).caption


def test_telemetry_over_time_with_phases(suite, contents):
    results, ids = suite
    samples = read_samples(results.attempts(ids[0])[0])
    assert [name for name, *_ in samples.phases][:3] == ["startup", "data", "build"]
    assert samples.seconds[0] == 0 and (np.diff(samples.seconds) >= 0).all()
    stamps = [sample.t for sample in read_trace(results.attempts(ids[0])[0].telemetry).samples]
    assert samples.seconds[-1] == pytest.approx((stamps[-1] - min(stamps)) / 1e9)
    figure = contents.figures["machine"][0]
    assert len(figure.layout["shapes"]) == len(samples.phases)
    assert {trace["yaxis"] for trace in figure.data} == {"y", "y2"}
    busy = next(trace for trace in figure.data if trace["yaxis"] == "y")
    assert max(busy["y"]) == pytest.approx(100 * samples.values["gpu:0/gpu_utilization"].max(), rel=1e-4)


def test_torn_and_unknown_lines_of_telemetry_are_left_out(suite, tmp_path):
    results, ids = suite
    attempt = results.attempts(ids[0])[0]
    path = attempt.folder / "telemetry.jsonl"
    whole = path.read_text()
    before = read_samples(attempt)
    try:
        path.write_text('[1]\n"x"\n' + whole + '{"event":"edge","t":1,"c":[1]}\n{"t":12,"g":[1,')
        after = read_samples(attempt)
        assert len(after.seconds) == len(before.seconds)
        header = json.loads(whole.split("\n", 1)[0])
        means, maxima = [10.0] * len(header["gauges"]), [30.0] * (len(header["gauges"]) - 1)
        line = {"t": 10**15, "n": 8, "c": [], "g": means, "m": maxima}
        path.write_text(whole + json.dumps(line) + "\n")
        last = {name: values[-1] for name, values in read_samples(attempt).values.items()}
        assert (last["rss_bytes"], last["gpu:0/gpu_utilization"]) == (30, 10), "peaks of memory stay"
        path.write_text(whole.split("\n", 1)[1])
        assert read_samples(attempt) is None, "values without names"
    finally:
        path.write_text(whole)


def candidate(name: str, accuracy: float, seconds: float, low: float | None = None) -> Candidate:
    high = None if low is None else min(1.0, 2 * accuracy - low)
    return Candidate(name, name, "transfer", "transfer", accuracy, low, high, seconds, None, 1)


def test_the_pareto_front():
    quick, same, slow, worst, best = (
        candidate("quick", 0.80, 10, 0.7),
        candidate("same", 0.80, 10, 0.7),
        candidate("slow", 0.90, 60, 0.85),
        candidate("worst", 0.70, 99, 0.6),
        candidate("best", 0.93, 600, 0.88),
    )
    found = [best, worst, slow, same, quick]
    assert [one.label for one in front(found)] == ["same", "slow", "best"]
    assert front(found, "joules") == []
    assert best_of(found) is best
    assert best_of([]) is None
    elsewhere = replace(best, device="T4")
    assert front([elsewhere, *found[1:]]) == [], "times of several kinds of device"
    drawn = against_cost([elsewhere, *found[1:]], "seconds", Colors([one.label for one in found]))
    assert "no Pareto front" in drawn.caption


def test_a_trial_under_way_is_drawn_as_far_as_it_got(tmp_path):
    results = SuiteResults(tmp_path, "s")
    trial = trial_of("VGG16", "transfer", 50)
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0}
    write_attempt(results, trial, Course(seconds, 0.9, 9.0, None, stopped_at=17), over=False)
    contents = gather(results, [trial.id, trial_of("VGG19", "transfer", 50).id])
    assert contents.trials["status"].tolist() == ["unfinished", "not run"]
    assert "at epoch 17" in contents.trials["reason"][0]
    (figure,) = [one for one in contents.figures["all networks"] if one.name == "loss-transfer-50"]
    assert figure.data[0]["x"][-1] == 17
    assert figure.data[0]["name"] == "VGG16 (unfinished)"
