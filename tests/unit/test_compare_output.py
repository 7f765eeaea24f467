"""Every output of a verdict: what it says, and that names may hold anything."""

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from comparison_equipment import measurement, noisy, record, trial, trial_pairs, with_pairs, write_predictions
from equipment.results.records import a_runtime, a_trial

from bench.compare.differences import software_changes
from bench.compare.judging import judge
from bench.compare.measurement import Epoch, Pair, TrialPairs
from bench.compare.output.files import SCHEMA, VERSION, document, junit, markdown, write_verdict
from bench.compare.output.format import print_verdict
from bench.compare.output.page import page
from bench.compare.verdict import (
    Change,
    DifferenceVerdict,
    EpochChange,
    Learning,
    Memory,
    MetricVerdict,
    PhaseChange,
    Speed,
    Status,
    TrialVerdict,
    Verdict,
)
from bench.trials.origin import Environment

EVIL = "<script>alert('x')</script> | a * b \x00 \x1b[31m"


@pytest.fixture(scope="module")
def verdict(tmp_path_factory) -> Verdict:
    """A slower trial with predictions and an evil name, a newly failing one, and one that is gone."""
    folder = tmp_path_factory.mktemp("predictions")
    slow = trial_pairs(trial(), noisy(10, 10, 0), noisy(11, 10, 1))
    write_predictions(folder / "p.csv", [True] * 50)
    pairs = [
        Pair(*(replace(side, predictions=folder / "p.csv") for side in (pair.baseline, pair.candidate)))
        for pair in slow.pairs
    ]
    curves = (Epoch(1, {"loss": 1.5}), Epoch(2, {"loss": 1.25}))
    pairs = [Pair(*(replace(side, epochs=curves) for side in vars(pair).values())) for pair in pairs]
    broken, gone = trial("VGG19"), trial("Xception")
    done = measurement(broken, record(broken))
    failed = measurement(broken, record(broken, failure=("crashed", EVIL)))
    trials = [
        replace(with_pairs(slow, pairs), label=EVIL),
        TrialPairs(broken.key, "vgg19", broken.settings, (), (done,), (failed,)),
        TrialPairs(gone.key, "xception", gone.settings, (), (measurement(gone, record(gone)),)),
    ]
    return judge(
        trials, baseline="old <b>", candidate="new & better", differences={"keras": ("3.3", "<i>4</i>")}
    )


class Tags(HTMLParser):
    """The tags that a browser would see."""

    def __init__(self, text: str):
        super().__init__()
        self.seen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)


def test_the_document(verdict: Verdict):
    content = json.loads(json.dumps(document(verdict), allow_nan=False))
    assert (content["schema"], content["version"], content["exit_code"]) == (SCHEMA, VERSION, 1)
    slow, failed, gone = content["trials"]
    assert (slow["speed"], slow["learning"], slow["regression"], slow["pairs"]) == (
        "slower",
        "same",
        True,
        10,
    )
    assert [one["status"] for one in (failed, gone)] == ["failed", "gone"]
    fit = slow["metrics"][0]
    assert fit["metric"] == "fit_time" and len(fit["ratios"]) == 10 and fit["unit"] == "s"
    assert {phase["means"] for phase in slow["phases"]} >= {"import", "steps", "evaluation"}
    assert slow["curves"][1]["candidate"] == {"loss": 1.25}
    assert content["changes"][0] == {"name": "keras", "baseline": "3.3", "candidate": "<i>4</i>"}


def test_the_documented_keys_are_those_of_the_document(verdict: Verdict):
    described = (Path(__file__).parents[2] / "docs/verdicts.md").read_text()
    content = document(verdict)
    slow = content["trials"][0]
    keys = {*content, *slow}
    for part in ("metrics", "differences", "phases", "curves"):
        keys |= set(slow[part][0])
    missing = {key for key in keys if f"`{key}`" not in described}
    assert not missing


def test_junit(verdict: Verdict):
    root = ElementTree.fromstring(junit(verdict).encode())
    cases = root.findall(".//testcase")
    failed = [
        (case.get("classname")[:5], case.get("name")) for case in cases if case.find("failure") is not None
    ]
    assert failed == [("<scri", "speed"), ("vgg19", "runs")]
    skipped = [case.get("classname") for case in cases if case.find("skipped") is not None]
    assert skipped == ["xception"]
    assert root.get("failures") == "2" and root.get("tests") == str(len(cases)) == "4"
    assert "\x00" not in junit(verdict)
    (told,) = root.findall(".//property")
    assert (told.get("name"), told.get("value")) == ("keras", "3.3 -> <i>4</i>")


def test_the_page_stays_a_page(verdict: Verdict):
    text = page(verdict)
    tags = Tags(text).seen
    assert "script" not in tags and "b" not in tags and "i" not in tags
    # Five metrics of ten pairs, two figures of one pair of networks, and the estimate of each.
    assert (tags.count("svg"), text.count("<circle")) == (7, 5 * 11 + 2 * 2)
    assert "http" not in text  # needs nothing but itself


def test_nothing_of_a_verdict_becomes_an_element_of_the_page(verdict: Verdict):
    """Names, reasons, notes, metrics and versions may come from files that somebody else wrote."""
    slow, failed, gone = verdict.trials
    trials = (
        replace(
            slow, key='"><b>', notes=(EVIL,), phases=tuple(replace(one, means=EVIL) for one in slow.phases)
        ),
        replace(failed, reason=EVIL),
        replace(gone, label=EVIL, notes=(EVIL, "its own <i>note</i>")),
    )
    text = page(
        replace(
            verdict, baseline=EVIL, candidate="<img src=x onerror=alert(1)>", trials=trials, notes=(EVIL,)
        )
    )
    assert set(Tags(text).seen) <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "h2",
            "p",
            "strong",
            "ul",
            "li",
            "a",
            "div",
            "span",
        ),
        *("table", "thead", "tbody", "tr", "th", "td", "svg", "path", "circle", "text"),
    }
    assert text.count("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;") > 7
    assert "&lt;img src=x onerror=alert(1)&gt;" in text and "its own &lt;i&gt;" in text
    assert '"trial-&#34;&gt;&lt;b&gt;"' in text


def test_a_curve_that_one_side_lacks_is_left_out(verdict: Verdict):
    curves = (EpochChange(1, {"loss": 1.5, "validation_loss": 1.6}, {"loss": 1.25}),)
    text = page(replace(verdict, trials=(replace(verdict.trials[0], curves=curves),)))
    assert "<th>loss, candidate</th>" in text and "validation loss" not in text


def test_markdown_stays_in_its_table(verdict: Verdict):
    text = markdown(verdict)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    first = [line for line in rows if "&lt;script" in line]
    assert first and all(line.replace("\\|", "").count("|") == rows[0].count("|") for line in first[:1])
    assert "<script" not in text and "**slower**" in text and "**failed**" in text
    assert "Regression" in text.splitlines()[2]


def test_the_terminal_shows_names_as_they_are(verdict: Verdict):
    from rich.console import Console

    console = Console(width=200, record=True, file=StringIO())
    print_verdict(console, verdict)
    text = console.export_text()
    assert "?[31m" in text and "\x1b" not in text
    assert "slower" in text and "keras 3.3 -> <i>4</i>" in text
    assert "Regression: " in text


def test_what_holds_of_several_trials_is_said_once(verdict: Verdict):
    from rich.console import Console

    note, other = "too few pairs were undisturbed, so all count", "of two"
    slow, failed, gone = verdict.trials
    trials = (
        replace(slow, label="slow", notes=(note, other)),
        replace(failed, notes=(note,)),
        replace(gone, notes=(note, other, "its own")),
    )
    console = Console(width=200, record=True, file=StringIO())
    print_verdict(console, replace(verdict, trials=trials))
    for said in (
        console.export_text(),
        markdown(replace(verdict, trials=trials)),
        page(replace(verdict, trials=trials)),
    ):
        assert said.count(note) == 1 and f"all trials: {note}" in said
        assert said.count(other) == 1 and f"slow, xception: {other}" in said
        assert said.count("its own") == 1


def test_tensorflow_is_named_once_however_it_is_packed():
    sides = []
    for version in ("2.20.0", "2.21.0"):
        side = a_trial(runtime=a_runtime(tensorflow=version))
        packages = {"tensorflow-cpu": version}
        environment = Environment(tensorflow=version, packages=packages)
        sides.append([measurement(side, record(side, environment=environment))])
    assert [(one.name, one.baseline, one.candidate) for one in software_changes(*sides)] == [
        ("tensorflow", "2.20.0", "2.21.0")
    ]


def test_all_files_appear_whole(verdict: Verdict, tmp_path: Path):
    written = write_verdict(verdict, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    assert json.loads((tmp_path / "out" / "regression.json").read_text())["version"] == VERSION


FIT = MetricVerdict(
    "fit_time", Speed.SLOWER, 10.0, 11.0, 1.1, 1.05, math.inf, None, 530.4, 400.0, (1.1,), "few"
)
RATE = replace(FIT, metric="throughput", verdict=Speed.FASTER, note="")
LEARNED = DifferenceVerdict("accuracy", Learning.SAME, 0.9, 0.9, 0.0, -0.01, 0.01, 0.02, (0.0,))
JUDGED = TrialVerdict(
    *("k", "a|b", Status.JUDGED, Speed.SLOWER, Memory.SAME, Learning.INCONCLUSIVE, True, "fit time +10.0%"),
    metrics=(FIT, RATE),
    differences=(LEARNED,),
    phases=(PhaseChange("train", "steps", 1.0, 2.5),),
    pairs=8,
    disturbed=1,
)
NEW = TrialVerdict("l", "b", Status.NEW, reason="the baseline has not done it")
MADE = Verdict(
    "old", "new", (JUDGED, NEW), thresholds={"power": 0.9}, detectable={"fit_time": 0.04}, notes=("a_note",)
)


def test_a_document_has_everything_and_no_number_that_json_lacks():
    content = document(MADE)
    assert {name: value for name, value in content.items() if name != "trials"} == {
        **{"schema": "leukobench/regression", "version": 2, "baseline": "old", "candidate": "new"},
        **{"outcome": "Regression: a|b slower", "exit_code": 1, "thresholds": {"power": 0.9}},
        **{"detectable": {"fit_time": 0.04}, "changes": [], "notes": ["a_note"]},
    }
    judged, new = content["trials"]
    fit, rate = judged["metrics"]
    assert (fit["low"], fit["high"], fit["unit"], fit["more_is_worse"]) == (1.05, None, "s", True)
    assert (rate["unit"], rate["more_is_worse"], fit["ratios"]) == ("images/s", False, [1.1])
    assert judged["phases"][0]["difference_s"] == 1.5 and judged["learning"] == "inconclusive"
    assert type(judged["speed"]) is str and (new["speed"], new["status"]) == (None, "new")


def test_test_cases_have_their_details():
    root = ElementTree.fromstring(junit(replace(MADE, changes=(Change("keras", "3.3", "3.4"),))).encode())
    (made,) = root
    assert made.get("name") == "old against new" and made.attrib.items() > root.attrib.items()
    properties, speed, memory, learning, runs = made
    assert [(one.tag, one.get("name")) for one in made[1:]] == [
        *(("testcase", name) for name in ("speed", "memory", "learning", "runs"))
    ]
    assert [one.get("classname") for one in made[1:]] == ["a|b"] * 3 + [
        "b"
    ] and properties.tag == "properties"
    remarks = ["pairs: 8 (1 disturbed)", "fit time +10.0%", "fit time: few"]
    timed = [
        "fit time: slower, +10.0 % [+5.0, +inf], evidence 530 of 400",
        "training throughput: faster, +10.0 % [+5.0, +inf], evidence 530 of 400",
        *remarks,
    ]
    assert [one.find("system-out").text.splitlines() for one in (speed, memory, learning)] == [
        timed,
        timed,
        ["accuracy: same, +0.0 points [-1.0, +1.0]", *remarks],
    ]
    assert speed.find("failure").text.splitlines() == timed
    assert speed.find("failure").get("message") == "slower: fit time +10.0%"
    assert learning.find("skipped").get("message") == "inconclusive: fit time +10.0%"
    assert learning.find("skipped").text is None and len(memory) == 1
    assert runs.find("skipped").get("message") == "new: the baseline has not done it"
    bare = junit(Verdict("a", "b", (replace(JUDGED, reason="", memory=None),)))
    assert 'message="slower"' in bare and "properties" not in bare
    assert bare.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="2" '
    ) and bare.endswith("</testsuites>\n")


def test_markdown_from_its_first_line_to_its_last():
    assert markdown(MADE).splitlines() == [
        "## old against new",
        "",
        "**Regression: a\\|b slower.** speed: 1 slower; memory: 1 same; learning: 1 inconclusive; not judged: 1 new.",
        "",
        "| trial | speed | memory | learning | fit time | training throughput | accuracy | pairs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| a\\|b | **slower** | same | inconclusive | +10.0 % [+5.0, +inf] | +10.0 % [+5.0, +inf] "
        "| +0.0 points [-1.0, +1.0] | 8 (1 disturbed) |",
        "| b | new | — | — | — | — | — | — |",
        "",
        "Changes are candidate / baseline over pairs, with 95 % confidence sequences.",
        "",
        "- a\\|b: fit time +10.0%; fit time: few",
        "- b: the baseline has not done it",
        "",
        "<details><summary>Where the time went: seconds, candidate less baseline</summary>",
        "",
        "| trial | steps |",
        "| --- | --- |",
        "| a\\|b | +1.50 |",
        "",
        "</details>",
        "",
        "No difference between the software of the sides is recorded.",
        "",
        "In 90% of runs so many pairs find a change of: fit time 4%.",
        "",
        "a\\_note",
    ]


def test_a_verdict_is_written_in_the_order_in_which_people_ask_for_it(tmp_path: Path):
    written = write_verdict(MADE, tmp_path / "deep" / "out")
    assert [path.name for path in written] == [
        "regression.json",
        "junit.xml",
        "summary.md",
        "regression.html",
    ]
    assert written[0].read_text().startswith('{\n "schema": ') and written[0].read_text().endswith("}\n")
    assert written[1].read_text() == junit(MADE) and written[2].read_text() == markdown(MADE)
    assert written[3].read_text() == page(MADE)
