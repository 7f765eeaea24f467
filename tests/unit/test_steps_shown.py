"""A history of versions in words, rows and charts, from verdicts that are made up."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from steps_equipment import FASTER, QUIET, SLOWER, metric, verdict

from bench.compare.betting import confidence_sequence
from bench.compare.output import history as output
from bench.compare.steps import Level, Line, find_steps, make_history
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import (
    Change,
    Learning,
    Speed,
    Status,
    Verdict,
)
from bench.errors import ExitCode


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (output.change_of("fit_time", 0.094, 0.031, 0.13), "+9.4 % [+3.1, +13.0]"),
        (output.change_of("accuracy", -0.012, None, 0.01), "-1.2 points […, +1.0]"),
        (output.change_of("loss", 0.0604, 0.05, None), "+0.060 nats [+0.050, …]"),
        (output.change_of(None, 0.5, None, None), "+50.0 %"),
        (output.change_of("fit_time", None, None, None), "—"),
        (output.names_of(["/a/b/c/one", "/a/b/c/two"]), {"/a/b/c/one": "one", "/a/b/c/two": "two"}),
        (output.names_of(["2.19", "2.20"]), {"2.19": "2.19", "2.20": "2.20"}),
        (output._shortened(["keras==3.9.*", "keras==3.10.1"]), {"keras==3.9.*": "3.9", "keras==3.10.1": "3.10.1"}),
        (
            output._shortened(["123456789012", "x234567890123"]),
            {"123456789012": "123456789012", "x234567890123": "…34567890123"},
        ),
        (
            [output._nice(reach) for reach in (0.05, 0.0499, 0.02, 0.19, 0.1, 1.0, 7.0)],
            [0.05, 0.02, 0.02, 0.1, 0.1, 1.0, 5.0],
        ),
        (output.changes_in_words([]), "nothing that is recorded"),
        (
            output.changes_in_words([Change("a", "none", "1"), Change("b", "1", "2"), Change("c", "1", "none")], 2),
            "b 1 -> 2, a none -> 1, 1 more",
        ),
        (
            output.changes_in_words([Change(name, "1", "2") for name in "abcdef"]),
            ", ".join(f"{name} 1 -> 2" for name in "abcdef"),
        ),
    ],
)  # fmt: skip
def test_a_history_in_words(said, expected):
    assert said == expected


def both_of(first: Verdict, second: Verdict) -> Verdict:
    """Of two configurations."""
    return replace(first, trials=(*first.trials, replace(second.trials[0], key="l", label="b")))


def test_the_outcome_of_a_history():
    assert output.outcome(make_history("s", [FASTER], Thresholds())) == "A step at 2.1 -> 2.2"
    both = make_history("s", [FASTER, replace(SLOWER, baseline="2.2", candidate="2.3")], Thresholds())
    assert output.outcome(both) == "Steps at 2.1 -> 2.2, 2.2 -> 2.3"
    unclear = [verdict(1, QUIET, speed=Speed.INCONCLUSIVE), verdict(2, QUIET)]
    said = output.outcome(make_history("s", unclear, Thresholds()))
    assert said == "No step is shown; inconclusive comparisons: 1 of 2"
    clear = verdict(1, QUIET, learning=Learning.SAME)
    broken = verdict(2, QUIET, status=Status.FAILED, speed=None, memory=None, learning=None)
    elsewhere = verdict(3, QUIET, speed=Speed.NOT_COMPARABLE, learning=Learning.NOT_COMPARABLE)
    weak = verdict(1, QUIET, speed=Speed.SLOWER, regression=True)
    for verdicts, expected, code in (
        ([clear], "No step", ExitCode.OK),
        ([weak], "No step is shown; inconclusive comparisons: 1 of 1", ExitCode.NOT_ENOUGH_EVIDENCE),
        (
            [clear, broken],
            "No step is shown; inconclusive comparisons: 1 of 2; trials failed",
            ExitCode.TRIALS_FAILED,
        ),
        ([both_of(clear, broken)], "No step, but trials failed", ExitCode.TRIALS_FAILED),
        ([broken], "Nothing was judged: no trial could be compared", ExitCode.NOT_ENOUGH_EVIDENCE),
        ([elsewhere], "Nothing was judged: no trial could be compared", ExitCode.NOT_ENOUGH_EVIDENCE),
        (
            [clear, elsewhere],
            "No step is shown; inconclusive comparisons: 1 of 2",
            ExitCode.NOT_ENOUGH_EVIDENCE,
        ),
    ):
        history = make_history("s", verdicts, Thresholds())
        assert (output.outcome(history), history.exit_code) == (expected, code)


def test_a_step_as_a_row():
    (step,) = find_steps([SLOWER], Thresholds())
    names = {"2.1": "old", "2.2": "new"}
    row = [
        "old -> new",
        "a trial",
        "slower",
        "fit time",
        "+20.0 %",
        "1e+03 of 42",
        "nothing that is recorded",
    ]
    assert output.step_row(step, names) == row
    failed = replace(step, metrics=(), change=None, evidence=None)
    assert output.step_row(failed, names)[3:6] == ["—", "—", "—"]
    assert output.step_row(replace(step, metrics=("accuracy",), needed=None), names)[3:6] == [
        "accuracy",
        "+20.0 points",
        "—",
    ]


def drawn(levels: list[tuple], versions: int, names: str = "v", **step) -> output.Chart:
    """A chart of the first versions of so many, with a step from the first to the second one."""
    known = [f"{names}{number}" for number in range(versions)]
    neighbors = [verdict(1, {"slower": 1000.0, "faster": 1.0}, metric("fit_time", 1.2, 1000.0))]
    history = make_history("s", neighbors, Thresholds())
    steps = tuple(replace(one, baseline=known[0], candidate=known[1], **step) for one in history.steps)
    line = Line(
        "k",
        "a trial",
        "fit_time",
        tuple(Level(name, *level) for name, level in zip(known, levels, strict=False)),
    )
    return output.chart(
        line, replace(history, versions=tuple(known), steps=steps), {name: name for name in known}
    )


def test_the_places_of_a_chart():
    """From 40 to 334 pixels for the versions; from 12 to 144 for what is largest, here 20 %."""
    found = drawn([(0.0, 0.0, 0.0, 0), (0.1, 0.05, 0.2, 9)], 2)
    assert [dot.x for dot in found.dots] == [40, 334]
    assert [(dot.y, dot.low, dot.high, dot.open) for dot in found.dots] == [
        (78, 78, 78, False),
        (45, 61.5, 12, False),
    ]
    assert found.path == "M40.0 78.0L334.0 45.0"
    assert found.ticks == [(12, "+20"), (78, "0"), (144, "-20")]
    assert [(mark.x, mark.good, mark.said) for mark in found.marks] == [(187, False, "slower since v1")]
    assert found.title == "fit time, %"
    assert found.said == "fit time: +10.0 % [+5.0, +20.0] at v1; slower since v1"
    assert found.rows == [["v0", "the beginning", "—"], ["v1", "+10.0 % [+5.0, +20.0]", "9"]]
    assert (found.width, found.height, found.left, found.right, found.bottom) == (360, 170, 40, 334, 144)


@pytest.mark.parametrize(
    "step", [{"trial": "of another configuration"}, {"metrics": ("peak_memory",)}, {"metrics": ()}]
)
def test_a_chart_is_marked_with_the_steps_of_its_configuration_and_metric_only(step: dict):
    found = drawn([(0.0, 0.0, 0.0, 0), (0.1, 0.05, 0.2, 9)], 2, **step)
    assert found.marks == [] and found.said == "fit time: +10.0 % [+5.0, +20.0] at v1"
    also = drawn([(0.0, 0.0, 0.0, 0), (0.1, 0.05, 0.2, 9)], 2, metrics=("peak_memory", "fit_time"))
    assert len(also.marks) == 1


def test_a_small_change_is_drawn_small_and_an_open_end_reaches_farther():
    small = drawn([(0.0, 0.0, 0.0, 0), (0.01, 0.0, 0.02, 9)], 3)
    assert [dot.x for dot in small.dots] == [40, 187]
    assert (small.dots[1].y, small.ticks[0]) == (64.8, (12, "+5")), "78 - 66 / 5"
    for bounds in ((None, 0.2), (0.05, None)):
        found = drawn([(0.0, 0.0, 0.0, 0), (0.1, *bounds, 9)], 2)
        reach = 1.3 * (0.2 if bounds[1] else 0.1)
        ends = (-reach if bounds[0] is None else bounds[0], reach if bounds[1] is None else bounds[1])
        low, high = (78 - 66 * end / reach for end in ends)
        assert (found.dots[1].low, found.dots[1].high) == pytest.approx((low, high), abs=0.11) and found.dots[
            1
        ].open
        assert not found.dots[0].open


def test_names_below_a_chart_are_as_many_as_fit():
    """A name of 5 characters takes 39 pixels; 294 are shared by the distances between versions."""
    levels = [(0.0, 0.0, 0.0, 0)] * 20
    assert [dot.name for dot in drawn(levels, 8, "name").dots] == [f"name{number}" for number in range(8)]
    assert [dot.x for dot in drawn(levels, 9).dots][:4] == [40, 76.8, 113.5, 150.2], "to a tenth of a pixel"
    assert [dot.name for dot in drawn(levels, 9, "name").dots] == [
        "name0",
        "",
        "name2",
        "",
        "name4",
        "",
        "name6",
        "",
        "name8",
    ]


def test_where_versions_lie_is_noted_on_the_page_and_what_is_unclear_on_the_terminal():
    def made(old: str, new: str, **changes):
        return make_history(
            "s",
            [replace(verdict(1, QUIET, **changes), baseline=old, candidate=new)],
            Thresholds(),
            ["a note"],
        )

    there, plain = made("/a/b/one", "/a/b/two", speed=Speed.INCONCLUSIVE), made("2.19", "2.20")
    assert output._page(there)["notes"][:2] == ["Versions are in /a/b.", "a note"]
    assert output._page(there)["title"] == "s: one to two"
    assert output._page(there)["neighbors"] == [("one -> two", "8", "a trial", "nothing that is recorded")]
    assert output._page(plain)["notes"][0] == "a note" and output._page(plain)["neighbors"][0][2] == "—"
    for history, unclear in ((there, True), (plain, False)):
        console = Console(file=StringIO(), width=200)
        output.print_history(console, history)
        said = console.file.getvalue()
        assert ("one -> two: inconclusive for a trial." in said) is unclear
        assert "a note" in said and output.outcome(history) in said


PROMISE = (
    "If no version differs from the one before it, a step is named in at most 5% of all histories: 3% for speed, "
    "1% for memory, 1% for learning, over all versions, configurations and looks. An interval holds for its version "
    "alone, with 95 %. Of accuracy it is approximate."
)
KERAS = tuple(Change(f"p{number}", "1", "2") for number in range(7))


def slower(*metrics: str) -> Verdict:
    """A step of 20 %."""
    own = tuple(metric(name, 1.2, 1000.0) for name in metrics)
    return replace(verdict(1, {"slower": 1000.0, "faster": 1.0}, *own), changes=KERAS)


def printed(*verdicts: Verdict) -> list[str]:
    console = Console(file=StringIO(), width=300)
    output.print_history(console, make_history("cells", verdicts, Thresholds(), ["a note"]))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines() if line.strip(" ─")]


def test_the_terminal_tells_steps_and_where_the_last_version_stands():
    """Of metrics that people ask for first, and of lines from the first version to the last one."""
    assert promised(slower("fit_time")) == PROMISE
    bounds = np.expm1(confidence_sequence(np.log(np.full(8, 1.2))))
    later = verdict(2, QUIET, metric("fit_time", 1.0, 1.0))
    assert printed(slower("fit_time", "compile_time", "throughput"), later) == [
        "cells: steps",
        "between configuration verdict metric change, 95 % interval evidence",
        "2.1 -> 2.2 a trial slower fit time +20.0 % 1e+03 of 83",
        "cells: 2.3 against 2.1",
        "configuration metric change, 95 % interval",
        f"a trial fit time {output.change_of(None, 0.2, *bounds)}",
        "2.1 -> 2.2: p0 1 -> 2, p1 1 -> 2, p2 1 -> 2, p3 1 -> 2, p4 1 -> 2, p5 1 -> 2, 1 more.",
        "a note",
        PROMISE,
        "A step at 2.1 -> 2.2.",
    ]
    assert printed(verdict(1, QUIET, metric("peak_memory", 1.0, 1.0)))[:3] == [
        "cells: 2.2 against 2.1",
        "configuration metric change, 95 % interval",
        "a trial peak memory +0.0 % [-0.0, +0.0]",
    ]


def promised(*verdicts: Verdict) -> str:
    return output.promise(make_history("s", verdicts, Thresholds()))


def test_a_history_as_files(tmp_path: Path):
    history = make_history("cells", [slower("fit_time")], Thresholds(), ["a <note>"])
    written = output.write_history(history, tmp_path / "deep" / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "deep/out/history.json",
        "deep/out/history.html",
    ]
    content = json.loads(written[0].read_text())
    assert (content["schema"], content["version"]) == ("leukobench/history", 1)
    assert (content["outcome"], content["exit_code"]) == ("A step at 2.1 -> 2.2", 1)
    assert content["versions"] == ["2.1", "2.2"] and content["notes"] == ["a <note>"]
    (step,), (line,) = content["steps"], content["lines"]
    assert (step["verdict"], step["metrics"], step["low"]) == ("slower", ["fit_time"], None)
    assert [one["change"] for one in line["levels"]] == pytest.approx([0.0, 0.2])
    assert written[0].read_text().startswith('{\n "schema": ')
    page = written[1].read_text()
    assert "a &lt;note&gt;" in page and "slower since 2.2" in page


def test_the_page_has_all_changes_and_the_charts_of_each_configuration():
    other = replace(slower("fit_time").trials[0], key="l", label="b")
    both = replace(slower("fit_time", "throughput"), trials=(*slower("fit_time", "throughput").trials, other))
    shown = output._page(make_history("cells", [both], Thresholds()))
    assert [(label, [one.title for one in charts]) for label, charts in shown["configurations"]] == [
        ("a trial", ["fit time, %", "training throughput, %"]),
        ("b", ["fit time, %"]),
    ]
    assert [step[1] for step in shown["steps"]] == ["a trial", "b"] and len(shown["steps"][0]) == 7
    assert shown["step_headings"] == output.STEP_HEADINGS
    (neighbor,) = shown["neighbors"]
    assert neighbor == ("2.1 -> 2.2", "16", "—", ", ".join(f"p{number} 1 -> 2" for number in range(7)))
    assert shown["notes"] == [PROMISE] and shown["outcome"] == "A step at 2.1 -> 2.2"
    more = [
        both,
        verdict(2, QUIET, metric("fit_time", 1.0, 1.0)),
        verdict(3, QUIET, metric("fit_time", 1.0, 1.0)),
    ]
    assert output._page(make_history("cells", more, Thresholds()))["title"] == "cells: 2.1 to 2.4"


def test_accuracy_is_drawn_in_points():
    line = Line(
        "k", "a trial", "accuracy", (Level("2.1", 0.0, 0.0, 0.0, 0), Level("2.2", -0.01, None, 0.0, 3))
    )
    history = make_history("s", [slower("fit_time")], Thresholds())
    found = output.chart(line, history, {"2.1": "2.1", "2.2": "2.2"})
    assert (found.title, found.marks) == ("accuracy, points", [])
    assert found.said == "accuracy: -1.0 points […, +0.0] at 2.2"
    assert found.rows[1] == ["2.2", "-1.0 points […, +0.0]", "3"]
