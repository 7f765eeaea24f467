"""Traces and layouts of figures as Plotly gets them, whole: lines, marks, bars, shades and axes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from equipment.results.records import some_metrics

from bench.report.figures import learning, machine, tradeoff
from bench.report.figures.accuracy_time import to_accuracy
from bench.report.figures.figure import PALETTE, PHASE_COLORS, Colors, axis, error_bars
from bench.report.figures.machine import Samples
from bench.report.figures.outcomes import classes, confusion, side_by_side
from bench.report.figures.rates import rate_searches
from bench.report.pareto import Candidate

GRAY = "#8c95a1"
CONFIGURATION = {
    "network": "VGG16",
    "weights": "imagenet",
    "mode": "transfer",
    "epochs": 4,
    "variant": "",
    "device": "A",
}


def test_axes_and_bars():
    assert axis("loss", anchor="y2") == {"title": {"text": "loss"}, "automargin": True, "anchor": "y2"}
    assert error_bars([0.5], [0.4], [0.7]) == {
        **{"type": "data", "symmetric": False, "array": [20.0], "arrayminus": [10.0]},
        **{"thickness": 1, "color": GRAY, "width": 2},
    }
    assert learning._axes("validation_accuracy") == {"xaxis": axis("epoch"), "yaxis": axis("accuracy %")}
    assert learning._axes("loss") == {
        "xaxis": axis("epoch"),
        "yaxis": axis("loss (nats)", rangemode="tozero"),
    }


def test_a_curve_of_learning():
    for metric, y in (("accuracy", [20.0, 40.0, 60.0]), ("loss", [0.2, 0.4, 0.6])):
        assert learning._line([1, 2, 3], [0.2, 0.4, 0.6], "a<b", "#123456", "dash", metric, 9) == {
            **{"type": "scatter", "mode": "lines", "name": "a&lt;b", "x": [1, 2, 3], "y": y},
            "line": {"color": "#123456", "dash": "dash", "width": 1.4},
        }
    assert learning._line([1, 2], [0.2, 0.4], "a", "#123456", "dash", "loss", 9)["mode"] == "lines+markers"


def test_figures_of_learning():
    metrics = {name: np.array([0.2, 0.4]) for name in learning.METRICS}
    course = learning.Course("VGG16", {"network": "VGG16", "status": "done"}, np.array([1, 2]), metrics)
    groups = [learning.Group("transfer", 2, [course])]
    (small,) = learning.each_network(groups, Colors(["VGG16"]))
    assert small.layout == {
        "xaxis": axis("epoch", anchor="y2"),
        "yaxis": axis("accuracy %", domain=[0.54, 1]),
        "yaxis2": axis("loss", domain=[0, 0.46], rangemode="tozero"),
    }
    assert [one["y"] for one in small.data] == [[20.0, 40.0]] * 2 + [[0.2, 0.4]] * 2
    every = learning.together(groups, Colors(["VGG16"]))
    assert (every.title, every.layout) == ("Learning curves", learning._axes("accuracy"))
    loss, accuracy = learning.means(groups)
    assert loss.caption == accuracy.caption == "At every epoch, the mean over the networks that reached it."
    assert (loss.layout, accuracy.layout) == (learning._axes("loss"), learning._axes("accuracy"))
    long = [learning.Course("x", course.row, np.arange(1, 1001), {"loss": np.linspace(1, 0, 1000)})]
    points = [
        len(made[0].data[0]["x"])
        for made in (
            learning.all_networks([learning.Group("scratch", 1000, long)], Colors([])),
            learning.each_network([learning.Group("scratch", 1000, long)], Colors([])),
        )
    ]
    # Of 249 and 119 stretches the lowest and the highest, which are neighbors of those of the next ones.
    assert points == [2 * 249, 2 * 119]


def test_a_confusion_matrix():
    test = some_metrics(confusion_matrix=((3, 1), (0, 2)), classes=("a", "b"))
    drawn = confusion("name", "title", test, "#123456")
    assert drawn.data == [
        {
            **{"type": "heatmap", "z": [[75.0, 25.0], [0.0, 100.0]], "text": [["3", "1"], ["0", "2"]]},
            **{"texttemplate": "%{text}", "zmin": 0, "zmax": 100, "showscale": False, "xgap": 2, "ygap": 2},
            "hovertemplate": "%{text} images, %{z:.1f} % of the row<extra></extra>",
            "colorscale": [[0, "rgba(127,127,127,0.06)"], [1, "#123456"]],
        }
    ]
    alike = {"showgrid": False, "zeroline": False, "tickvals": [0, 1], "ticktext": ["a", "b"]}
    alike |= {"ticklabeloverflow": "allow"}
    assert drawn.layout == {
        "xaxis": axis("predicted", side="bottom", tickangle=-35, **alike),
        "yaxis": axis("true", autorange="reversed", **alike),
    }


def test_a_line_of_a_machine_and_its_phases():
    samples = Samples(np.array([0.0, 50.0, 100.0]), {}, [("train", 0.0, 8.0)], 2)
    for number, dash in enumerate(("solid", "dot", "dash", "dashdot", "solid")):
        made = machine._line(
            samples, np.array([1.0, 2.0, 3.0]), "gpu", "#123456", number, "y2", "%{y:.2f} GiB"
        )
        assert made == {
            **{
                "type": "scatter",
                "mode": "lines",
                "name": "gpu",
                "x": [0.0, 50.0, 100.0],
                "y": [1.0, 2.0, 3.0],
            },
            **{
                "yaxis": "y2",
                "line": {"color": "#123456", "width": 1.2, "dash": dash},
                "hovertemplate": "%{y:.2f} GiB",
            },
        }
    values = {"cpu_percent": np.array([100.0, 200.0, 100.0])}
    drawn = machine.over_time("m", "VGG16", Samples(samples.seconds, values, samples.phases, 2), "#123456")
    assert drawn.layout == {
        "xaxis": axis("seconds since the start of the process", anchor="y2"),
        "yaxis": axis("busy %", domain=[0.54, 1], range=[0, 104]),
        "yaxis2": axis("GiB", domain=[0, 0.46], rangemode="tozero"),
        "shapes": [
            {
                **{
                    "type": "rect",
                    "layer": "below",
                    "xref": "x",
                    "yref": "paper",
                    "x0": 0.0,
                    "x1": 8.0,
                    "y0": 0,
                    "y1": 1,
                },
                **{"fillcolor": PHASE_COLORS["train"], "opacity": 0.16, "line": {"width": 0}},
            }
        ],
        "annotations": [
            {
                **{"x": 4.0, "y": 1.0, "xref": "x", "yref": "paper", "yanchor": "bottom", "text": "train"},
                **{"showarrow": False, "font": {"size": 10}},
            }
        ],
    }
    assert drawn.data[0]["hovertemplate"] == "%{y:.0f} %"


def test_the_front_and_its_marks():
    def of(accuracy: float, seconds: float) -> Candidate:
        return Candidate("VGG16", "VGG16", "finetune", "g", accuracy, None, None, seconds, None, 1)

    front, marks = tradeoff.against_cost([of(0.9, 100.0), of(0.8, 10.0)], "seconds", Colors(["VGG16"])).data
    assert front == {
        **{"type": "scatter", "mode": "lines", "name": "Pareto front", "x": [10.0, 100.0], "y": [80.0, 90.0]},
        **{"line": {"shape": "hv", "width": 1.5, "dash": "dot", "color": GRAY}, "hoverinfo": "skip"},
    }
    assert marks == {
        **{"type": "scatter", "mode": "markers", "name": "VGG16", "x": [100.0, 10.0], "y": [90.0, 80.0]},
        **{
            "text": ["VGG16, g<br>1.67 min", "VGG16, g<br>10.0 s"],
            "hovertemplate": "%{text}<br>%{y:.1f} %<extra></extra>",
        },
        "marker": {
            **{"color": PALETTE[0], "size": [13, 13], "symbol": ["diamond", "diamond"]},
            "line": {"width": 1, "color": "rgba(127,127,127,0.6)"},
        },
    }


def test_bars_of_phases_and_classes():
    row = {
        **CONFIGURATION,
        "replicates": 1,
        "result_s": 90.0,
        "seconds of train": 80.0,
        "balanced_accuracy": 0.5,
    }
    (drawn,) = tradeoff.phases(pd.DataFrame([row]))
    assert drawn.data == [
        {
            **{
                "type": "bar",
                "orientation": "h",
                "name": "train",
                "y": ["VGG16"],
                "x": [80.0],
                "text": ["80.0 s"],
            },
            **{"marker": {"color": PHASE_COLORS["train"]}, "textposition": "none"},
            "hovertemplate": "train: %{text}<extra></extra>",
        }
    ]
    assert drawn.layout == {
        **{
            "barmode": "stack",
            "xaxis": {"automargin": True, "ticksuffix": " s"},
            "legend": {"traceorder": "normal"},
        },
        "yaxis": {"type": "category", "automargin": True, "autorange": "reversed"},
    }
    of_classes = {"accuracy of a": 0.5, "both low of a": np.nan, "both high of a": np.nan}
    (drawn,) = classes(pd.DataFrame([{**row, **of_classes}]), Colors(["VGG16"]))
    assert drawn.data == [
        {"type": "bar", "name": "VGG16", "x": ["a"], "y": [50.0], "marker": {"color": PALETTE[0]}}
    ]
    category = {"type": "category", "automargin": True}
    assert drawn.layout == {"barmode": "group", "xaxis": category, "yaxis": axis("right %", range=[0, 103])}
    both = pd.DataFrame([row, {**row, "mode": "scratch"}]).assign(split_low=np.nan, split_high=np.nan)
    (drawn,) = side_by_side(both, Colors(["VGG16"]))
    assert drawn.data[1] == {
        **{"type": "bar", "name": "scratch", "x": ["VGG16"], "y": [50.0]},
        "marker": {"color": [PALETTE[0]], "opacity": 0.62, "pattern": {"shape": "/", "size": 6}},
    }
    assert drawn.layout["yaxis"] == axis("balanced accuracy %", range=[0, 103])


def test_marks_of_times_and_rates():
    row = {**CONFIGURATION, "configuration": "x", "target": "90 %", "median_s": 30.0, "trained_s": 100.0}
    drawn = to_accuracy(pd.DataFrame([row]), Colors(["VGG16"]))
    assert (drawn.name, drawn.title) == (
        "time-to-accuracy",
        "Time until the validation accuracy stays at a share of its best",
    )
    assert (drawn.data[0]["type"], drawn.data[0]["mode"]) == ("scatter", "markers")
    assert drawn.data[0]["hovertemplate"] == "90 %: %{text}<extra></extra>"
    assert drawn.data[0]["marker"] == {"size": 11, "symbol": ["circle"], "color": [PALETTE[0]]}
    assert drawn.layout == {
        "xaxis": {"type": "log", "automargin": True, "ticksuffix": " s"},
        "yaxis": {"type": "category", "automargin": True, "autorange": "reversed"},
    }
    found = SimpleNamespace(learning_rate=1e-3, curve=[(1e-3, 2.0)])
    drawn = rate_searches([("a", "#123456", found)])
    assert drawn.caption == (
        "Each step has a higher rate than the one before. "
        "The mark is the rate that was taken: a tenth of the one with the lowest loss."
    )
    assert drawn.data[0]["line"] == {"color": "#123456", "width": 1.4}
    assert drawn.data[1]["marker"] == {"color": "#123456", "size": 10, "symbol": "diamond"}
    assert drawn.layout == {
        "xaxis": axis("learning rate", type="log"),
        "yaxis": axis("loss of the step (nats)", rangemode="tozero"),
    }
