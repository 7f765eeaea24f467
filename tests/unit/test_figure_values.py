"""Figures of learning, cost and times, from courses made by hand: which curves, marks, colors and captions."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bench.report.figures import figure as common
from bench.report.figures import learning, tradeoff
from bench.report.figures.accuracy_time import to_accuracy
from bench.report.figures.figure import PALETTE, Colors, error_bars, numbers, percent, plain, thin
from bench.report.figures.learning import Course, Group
from bench.report.figures.outcomes import classes
from bench.report.figures.rates import rate_searches
from bench.report.pareto import Candidate, best_of, front

NAN = math.nan


def test_values_for_plotly():
    assert numbers([1.234567, NAN, math.inf, 0.0]) == [1.2346, None, None, 0.0]
    assert percent([0.123456, NAN]) == [12.346, None]
    assert plain(' a\n<b> & "c"') == 'a &lt;b&gt; &amp; "c"'
    assert error_bars([0.5, 0.5], [NAN, NAN], [NAN, NAN]) is None
    bars = error_bars([0.5, 0.5], [0.4, NAN], [0.8, NAN])
    assert (bars["array"], bars["arrayminus"], bars["symmetric"]) == ([30.0, None], [10.0, None], False)


def test_networks_have_the_colors_of_the_palette_in_their_order_and_others_after_it():
    colors = Colors(["b", "a", "b"])
    assert [colors[name] for name in ("a", "b", "c")] == [PALETTE[1], PALETTE[0], PALETTE[2]]
    many = Colors(map(str, range(20)))
    assert many["11"] == PALETTE[11] and len({many[str(number)] for number in range(20)}) == 20
    # 12 * 0.618034 mod 1 = 0.416408 of a circle, lightness 0.52, saturation 0.5.
    assert many["12"] == "#47c284" and len(many["12"]) == 7


@pytest.mark.parametrize(
    ("count", "most", "kept"),
    [(5, 5, [0, 1, 2, 3, 4]), (6, 4, [0, 1, 5]), (6, 6, [0, 1, 2, 3, 4, 5]), (3, 1, [0, 1, 2])],
)
def test_few_points_stay_whole_and_of_many_the_extremes(count: int, most: int, kept: list[int]):
    """The highest value is the second, the lowest the first."""
    values = np.r_[0.0, 9.0, np.linspace(1, 2, max(0, count - 2))][:count]
    x, y = thin(np.arange(count), values, most)
    assert x.tolist() == kept and y.tolist() == values[kept].tolist()


def test_what_is_not_finite_is_no_point():
    x, y = thin([1, 2, 3], [NAN, 5.0, math.inf], 9)
    assert (x.tolist(), y.tolist()) == ([2.0], [5.0])


def course(network: str = "VGG16", count: int = 4, label: str = "", **changes) -> Course:
    metrics = {name: np.linspace(0.2, 0.8, count) for name in learning.METRICS}
    row = {"network": network, "status": "done", "seeds": "", **changes.pop("row", {})}
    return Course(label or network, row, np.arange(1, count + 1), {**metrics, **changes})


def test_a_figure_a_metric_with_a_curve_a_network():
    two = [course(), course("LeNet5", row={"status": "failed"}), course("VGG16", label="VGG16, Adam")]
    none = course("AlexNet", loss=np.full(4, NAN))
    figures = learning.all_networks(
        [Group("transfer", 4, [*two, none], left_out=3)], Colors(["VGG16", "LeNet5"])
    )
    assert [(one.name, one.title) for one in figures] == [
        ("loss-transfer-4", "Training loss: transfer, 4 epochs"),
        ("accuracy-transfer-4", "Training accuracy: transfer, 4 epochs"),
        ("validation-loss-transfer-4", "Validation loss: transfer, 4 epochs"),
        ("validation-accuracy-transfer-4", "Validation accuracy: transfer, 4 epochs"),
    ]
    loss, accuracy = figures[:2]
    assert [(one["name"], one["line"]["dash"], one["line"]["color"]) for one in loss.data] == [
        ("VGG16", "solid", PALETTE[0]),
        ("LeNet5 (failed)", "solid", PALETTE[1]),
        ("VGG16, Adam", "dash", PALETTE[0]),
    ]
    assert len(accuracy.data) == 4 and not loss.small
    assert loss.data[0]["x"] == [1, 2, 3, 4] and loss.data[0]["y"] == [0.2, 0.4, 0.6, 0.8]
    assert accuracy.data[0]["y"] == [20.0, 40.0, 60.0, 80.0] and accuracy.data[0]["mode"] == "lines"
    assert (
        loss.layout["yaxis"]["title"]["text"] == "loss (nats)"
        and loss.layout["yaxis"]["rangemode"] == "tozero"
    )
    assert accuracy.layout["yaxis"]["title"]["text"] == "accuracy %"
    assert loss.caption == "4 of 7 configurations: each network's most accurate ones."
    seeds = learning.all_networks([Group("transfer", 4, [course(row={"seeds": "seed 0"})])], Colors([]))
    assert seeds[0].caption == "Of replicates, the first is drawn."
    assert learning.all_networks([Group("scratch", 2, [course(count=2)])], Colors([]))[0].data[0]["mode"] == (
        "lines+markers"
    )


def test_all_curves_in_one_figure_with_what_selects_them():
    groups = [Group("transfer", 4, [course()]), Group("scratch", 4, [course("LeNet5", loss=np.full(4, NAN))])]
    found = learning.together(groups, Colors(["VGG16", "LeNet5"]))
    assert (found.name, found.height) == ("curves", 440)
    assert [tuple(one["meta"].values()) for one in found.data[:4]] == [
        ("transfer, 4 epochs", "VGG16", "training", "loss"),
        ("transfer, 4 epochs", "VGG16", "training", "accuracy"),
        ("transfer, 4 epochs", "VGG16", "validation", "loss"),
        ("transfer, 4 epochs", "VGG16", "validation", "accuracy"),
    ]
    assert [one["line"]["dash"] for one in found.data] == [
        "dot",
        "dot",
        "solid",
        "solid",
        "dot",
        "solid",
        "solid",
    ]
    assert found.data[0]["name"] == "VGG16, transfer, 4 epochs" and len(found.data) == 7
    assert learning.together(groups[:1], Colors([])).data[0]["name"] == "VGG16"
    assert learning.together([], Colors([])) is None


def test_the_mean_over_networks_is_of_those_that_reached_an_epoch():
    long, short = course(count=4), course("LeNet5", count=2)
    epoch, mean = learning.mean_course([long, short], "loss")
    assert epoch.tolist() == [1, 2, 3, 4] and mean.tolist() == pytest.approx([0.2, 0.6, 0.6, 0.8])
    gap = course(loss=np.array([0.5, NAN, NAN, 0.7]))
    assert [one.tolist() for one in learning.mean_course([gap], "loss")] == [[1, 4], [0.5, 0.7]]


@pytest.mark.parametrize(("longest", "wide"), [(20, False), (21, True)])
def test_means_of_modes(longest: int, wide: bool):
    groups = [Group("transfer", 4, [course()]), Group("scratch", longest, [course(count=longest)])]
    loss, accuracy = learning.means(groups)
    assert (loss.name, accuracy.name) == ("mean-loss", "mean-accuracy")
    assert [(one["name"], one["line"]["dash"]) for one in loss.data] == [
        ("transfer, 4 epochs: training", "solid"),
        ("transfer, 4 epochs: validation", "dot"),
        (f"scratch, {longest} epochs: training", "solid"),
        (f"scratch, {longest} epochs: validation", "dot"),
    ]
    assert (loss.data[0]["line"]["color"], loss.data[2]["line"]["color"]) == learning._MODE_COLORS[:2]
    assert (loss.layout["xaxis"].get("type") == "log") is wide
    assert loss.title == "Mean loss over the networks of a mode" and accuracy.data[0]["y"][0] == 20.0
    alone = [course(validation_loss=np.full(4, NAN), validation_accuracy=np.full(4, NAN))]
    assert [len(one.data) for one in learning.means([Group("transfer", 4, alone)])] == [1, 1]
    assert learning.means([]) == []


def test_training_against_validation():
    (done, failed) = learning.each_network(
        [Group("transfer", 4, [course(), course("LeNet5", row={"status": "failed"}, loss=np.full(4, NAN))])],
        Colors(["VGG16", "LeNet5"]),
    )
    assert [(one["name"], one["yaxis"], one["showlegend"], one["line"]["dash"]) for one in done.data] == [
        ("training", "y", True, "solid"),
        ("validation", "y", True, "dot"),
        ("training", "y2", False, "solid"),
        ("validation", "y2", False, "dot"),
    ]
    assert (done.title, done.name) == ("VGG16: transfer, 4 epochs", "training-validation-transfer-4-0")
    assert (failed.title, failed.name) == (
        "LeNet5: transfer, 4 epochs (failed)",
        "training-validation-transfer-4-1",
    )
    assert len(failed.data) == 3 and done.small and done.height == 320
    assert (done.layout["yaxis"]["domain"], done.layout["yaxis2"]["domain"]) == ([0.54, 1], [0, 0.46])


def test_modes_against_each_other_are_of_one_epoch_count():
    groups = [
        Group("transfer", 4, [course(), course("LeNet5"), course("VGG16", label="VGG16, Adam")]),
        Group("scratch", 4, [course(), course("AlexNet", validation_accuracy=np.full(4, NAN))]),
        Group("scratch", 9, [course(count=9)]),
    ]
    (found,) = learning.modes_against_each_other(groups, Colors(["VGG16"]))
    assert (found.name, found.title) == ("modes-4-0", "VGG16: validation accuracy, 4 epochs")
    assert [(one["name"], one["line"]["dash"]) for one in found.data] == [
        ("transfer", "solid"),
        ("transfer, Adam", "solid"),
        ("scratch", "dot"),
    ]
    assert found.small and found.height == 260 and found.data[0]["y"] == [20.0, 40.0, 60.0, 80.0]


def candidate(network: str, accuracy: float, seconds: float, **more) -> Candidate:
    usual = {"mode": "transfer", "low": None, "high": None, "joules": None, "device": "A100", **more}
    mode = usual.pop("mode")
    own = {"label": network, "group": f"{mode}, 4 epochs", "replicates": 1, **usual}
    return Candidate(network=network, mode=mode, accuracy=accuracy, seconds=seconds, **own)


def test_the_front_is_of_what_no_other_one_beats():
    found = [
        candidate("a", 0.8, 10.0),
        candidate("b", 0.8, 5.0),
        candidate("c", 0.9, 20.0),
        candidate("d", 0.9, 20.0),
    ]
    assert [one.network for one in front(found)] == ["b", "c"]
    assert best_of([*found, candidate("e", 0.9, 15.0)]).network == "e" and best_of([]) is None
    assert [one.network for one in front([candidate("z", 0.0, 1.0)])] == ["z"]
    assert front([found[0], candidate("x", 0.5, 1.0, device="T4")]) == []
    priced = [
        candidate("a", 0.8, 1.0, joules=3.0),
        candidate("b", 0.7, 9.0, joules=2.0),
        candidate("c", 0.9, 1.0),
    ]
    assert [one.network for one in front(priced, "joules")] == ["b", "a"]


def test_accuracy_against_time_and_energy():
    found = [
        candidate("VGG16", 0.9, 100.0, low=0.85, high=0.93, joules=5000.0),
        candidate("LeNet5", 0.8, 10.0, mode="scratch"),
        candidate("VGG16", 0.7, 20.0, mode="classical"),
    ]
    drawn = tradeoff.against_cost(found, "seconds", Colors(["VGG16", "LeNet5"]))
    line, vgg, lenet = drawn.data
    assert (drawn.name, drawn.height) == ("accuracy-time", 460)
    assert drawn.title == "Balanced accuracy against time to result"
    assert drawn.layout["xaxis"] == {
        "title": {"text": "time to result (s)"},
        "automargin": True,
        "type": "log",
    }
    assert (line["x"], line["y"], line["line"]["shape"]) == ([10.0, 100.0], [80.0, 90.0], "hv")
    assert (vgg["x"], vgg["y"], vgg["marker"]["size"]) == ([100.0, 20.0], [90.0, 70.0], [13, 9])
    assert vgg["marker"]["symbol"] == ["circle", "triangle-up"] and lenet["marker"]["symbol"] == ["square"]
    assert vgg["text"][0] == "VGG16, transfer, 4 epochs<br>1.67 min"
    assert (vgg["error_y"]["array"], vgg["error_y"]["arrayminus"]) == ([3.0, None], [5.0, None])
    assert vgg["error_y"]["color"] == vgg["marker"]["color"] == PALETTE[0] and "error_y" not in lenet
    assert (
        drawn.caption == "Shapes: circle transfer, square scratch, triangle classical. Bars: 95 % intervals."
    )
    energy = tradeoff.against_cost(found, "joules", Colors(["VGG16"]))
    assert (energy.name, energy.data[0]["x"], len(energy.data)) == ("accuracy-energy", [5.0], 1)
    assert tradeoff.against_cost(found[1:], "joules", Colors([])) is None
    elsewhere = [found[0], candidate("LeNet5", 0.8, 10.0, device="T4")]
    assert tradeoff.against_cost(elsewhere, "seconds", Colors([])).caption == (
        "Bars: 95 % intervals. Several kinds of device: no Pareto front."
    )


@pytest.mark.parametrize(("count", "bars"), [(60, True), (61, False)])
def test_bars_of_too_many_are_not_drawn(count: int, bars: bool):
    found = [candidate("VGG16", 0.5, number + 1.0, low=0.4, high=0.6) for number in range(count)]
    drawn = tradeoff.against_cost(found, "seconds", Colors([]))
    assert ("error_y" in drawn.data[-1]) is bars and ("Bars" in drawn.caption) is bars


CONFIGURATION = {"weights": "imagenet", "mode": "transfer", "epochs": 4, "variant": "", "device": "A100"}


def test_phases_are_stacked_the_fastest_first():
    rows = [
        {**CONFIGURATION, "network": name, "replicates": count, "result_s": result, "seconds of train": train}
        for name, count, result, train in (
            ("VGG16", 1, 90.0, 80.0),
            ("LeNet5", 2, 9.0, 5.0),
            ("AlexNet", 0, 1.0, 1.0),
        )
    ]
    (drawn,) = tradeoff.phases(
        pd.DataFrame(rows).assign(**{"seconds of reference_work": 0.5, "seconds of save": NAN})
    )
    assert (drawn.name, drawn.title) == ("phases-transfer-4", "Wall time by phase: transfer, 4 epochs")
    assert [(one["name"], one["y"], one["x"]) for one in drawn.data] == [
        ("reference work", ["LeNet5", "VGG16"], [0.5, 0.5]),
        ("train", ["LeNet5", "VGG16"], [5.0, 80.0]),
    ]
    assert drawn.data[1]["text"] == ["5.00 s", "80.0 s"] and drawn.height == 194 + 52 and drawn.caption == ""
    assert drawn.data[1]["marker"]["color"] == common.PHASE_COLORS["train"]


def test_the_accuracy_of_each_class():
    row = {**CONFIGURATION, "network": "VGG16", "replicates": 1, "balanced_accuracy": 0.7}
    row |= {"accuracy of a": 0.5, "both low of a": 0.4, "both high of a": 0.7, "accuracy of b": NAN}
    other = {**row, "network": "LeNet5", "accuracy of a": 0.3, "both low of a": NAN, "both high of a": NAN}
    (drawn,) = classes(pd.DataFrame([row, other, {**row, "replicates": 0}]), Colors(["VGG16", "LeNet5"]))
    vgg, lenet = drawn.data
    assert (drawn.name, drawn.title) == (
        "classes-transfer-4",
        "Test accuracy of the classes: transfer, 4 epochs",
    )
    assert (vgg["x"], vgg["y"], vgg["error_y"]["array"], vgg["error_y"]["arrayminus"]) == (
        ["a"],
        [50.0],
        [20.0],
        [10.0],
    )
    assert (lenet["name"], lenet["y"], "error_y" in lenet) == ("LeNet5", [30.0], False)
    assert lenet["marker"]["color"] == PALETTE[1] and drawn.layout["yaxis"]["range"] == [0, 103]


def test_marks_of_the_times_to_an_accuracy():
    def of(key: str, target: str, median, trained: float, **more) -> dict:
        head = {**CONFIGURATION, "network": key, "configuration": key, **more}
        return {**head, "target": target, "median_s": median, "trained_s": trained}

    rows = [
        of("VGG16", "90 %", 30.0, 100.0),
        of("VGG16", "99 %", "never", 100.0),
        of("LeNet5", "90 %", 3.0, 9.0),
    ]
    drawn = to_accuracy(pd.DataFrame(rows), Colors(["VGG16", "LeNet5"]))
    ninety, most = drawn.data
    assert (ninety["name"], ninety["x"], ninety["y"]) == ("90 %", [30.0, 3.0], ["VGG16", "LeNet5"])
    assert (most["x"], most["text"], most["marker"]["symbol"]) == (
        [100.0],
        ["never within 1.67 min"],
        ["diamond-open"],
    )
    assert ninety["marker"]["symbol"] == ["circle", "circle"] and ninety["text"] == ["30.0 s", "3.00 s"]
    assert ninety["marker"]["color"] == list(PALETTE[:2]) and drawn.height == 194 + 52
    assert drawn.caption == "Medians over replicates. Hollow: never, at the end of training."
    both = to_accuracy(pd.DataFrame([rows[0], of("LeNet5", "90 %", 3.0, 9.0, epochs=5)]), Colors([]))
    assert both.data[0]["y"] == ["VGG16, transfer, 4 epochs", "LeNet5, transfer, 5 epochs"]
    assert to_accuracy(pd.DataFrame(), Colors([])) is None
    many = [of("VGG16", f"{share} %", 3.0, 9.0, epochs=5) for share in range(90, 98)]
    symbols = [one["marker"]["symbol"][0] for one in to_accuracy(pd.DataFrame(many), Colors([])).data]
    shapes = ["circle", "diamond", "square", "triangle-up", "star", "hexagon", "pentagon"]
    assert symbols == [*shapes, "circle"]


def test_the_mark_of_a_rate_is_at_the_nearest_step():
    found = SimpleNamespace(learning_rate=2e-3, curve=[(1e-4, 3.0), (1e-3, 2.0), (2.5e-3, 1.0), (1e-2, 5.0)])
    none, empty = (
        SimpleNamespace(learning_rate=None, curve=found.curve),
        SimpleNamespace(learning_rate=1.0, curve=()),
    )
    drawn = rate_searches([("a<b", "#123456", found), ("x", "#000000", none), ("y", "#000000", empty)])
    line, mark = drawn.data
    assert (line["name"], line["x"], line["y"]) == (
        "a&lt;b",
        [1e-4, 1e-3, 2.5e-3, 1e-2],
        [3.0, 2.0, 1.0, 5.0],
    )
    assert (mark["name"], mark["x"], mark["y"]) == ("a&lt;b: 0.002", [2e-3], [1.0])
    assert line["line"]["color"] == mark["marker"]["color"] == "#123456"
    assert (drawn.name, drawn.title) == ("rate-search", "Search for the learning rate")
    assert rate_searches([("x", "#000000", none)]) is None
