"""What a report gathers from results: the winner, what is drawn of many, looks of networks, and what is damaged."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from equipment.results.records import a_failure, write_record
from equipment.results.suites import thesis_suite
from msgspec.structs import replace

from bench.journal.results import SuiteResults
from bench.report import gather, page
from bench.report.figures import learning, tradeoff
from bench.report.figures.figure import Colors, Figure
from bench.report.figures.learning import Course, read_groups
from bench.report.models import _chosen
from bench.report.pareto import Candidate
from bench.report.tables.table import Table
from bench.trials.phases import SearchPhase
from bench.worker.protocol import EXPLAINED_FOLDER


@pytest.fixture
def suite(tmp_path: Path) -> tuple[SuiteResults, list[str]]:
    """Two networks in two modes with two seeds; the first trial failed."""
    plan = (("transfer", 9), ("scratch", 9))
    results, ids = thesis_suite(
        tmp_path, networks=("VGG16", "ResNet50"), plan=plan, seeds=2, cells_a_class=2, telemetry=False
    )
    attempt = results.attempts(ids[0])[0]
    write_record(
        attempt, replace(attempt.record(), status="failed", failure=a_failure(log=("torn",)), test=None)
    )
    return results, ids


def test_the_winner_is_a_trial_that_is_done(suite):
    results, ids = suite
    looks = results.attempts(ids[1])[0].folder / EXPLAINED_FOLDER
    looks.mkdir()
    (looks / "filters.png").write_bytes(b"as it is")
    (looks / "maps-last.png").write_bytes(b"the last")
    contents = gather.gather(results, ids[:2], description="of cells", notes=["a note"], command="it")
    assert contents.winner.trial == ids[1] and contents.decision.named.network == "VGG16"
    assert (contents.majority, contents.classes, contents.logs) == (0.25, 4, {ids[0]: ("torn",)})
    assert (contents.description, contents.notes, contents.command) == ("of cells", ["a note"], "it")
    (made,) = contents.mistakes
    assert made.looks == [
        (title, f"data:image/png;base64,{base64.b64encode(content).decode()}")
        for title, content in (
            ("Filters of the first convolution", b"as it is"),
            ("Last feature maps", b"the last"),
        )
    ]
    assert made.images == 88 and made.name == "VGG16, transfer, 9 epochs"
    tables_only = gather.gather(results, ids[:2], pictures=False)
    assert tables_only.winner is None and tables_only.figures == {} and tables_only.tables


def test_what_is_drawn_of_many_is_said(suite, monkeypatch):
    results, ids = suite
    monkeypatch.setattr(gather, "MOST_DETAILS", 1)
    contents = gather.gather(results, ids)
    assert contents.notes == [
        "Training against validation is drawn for 2 of 4 configurations.",
        "Confusion matrices and the machine over time are drawn for 1 of 4 configurations: each network's most "
        "accurate ones.",
    ]
    assert len(contents.figures["each network"]) == 2 and len(contents.figures["confusion"]) == 1
    monkeypatch.setattr(gather, "MOST_DETAILS", 4)
    contents = gather.gather(results, ids)
    assert (
        contents.notes == []
        and len(contents.figures["each network"]) == len(contents.figures["confusion"]) == 4
    )
    named = contents.decision.named
    assert contents.figures["confusion"][0].title == named.name, "that of the answer comes first"


@pytest.mark.parametrize(
    ("count", "said"), [(0, ""), (1, " is damaged."), (3, " and 2 more files of predictions are damaged.")]
)
def test_predictions_that_cannot_be_read_are_named(suite, count: int, said: str):
    results, ids = suite
    torn = [results.attempts(trial)[0].predictions for trial in ids[1 : 1 + count]]
    for path in torn:
        path.write_text("torn")
    notes = gather.gather(results, ids).notes
    assert [note for note in notes if "damaged" in note] == (
        [
            f"{min(torn)} (line 1: it begins with 'torn'){said} Mistakes, and tests on the same images, are shown "
            "without what they hold."
        ]
        if said
        else []
    )


@pytest.mark.parametrize(("groups", "drawn", "left"), [(8, 8, 0), (9, 8, 1)])
def test_curves_of_so_many_modes_and_epoch_counts(monkeypatch, groups: int, drawn: int, left: int):
    monkeypatch.setattr(learning, "_read", lambda results, row: Course(row["label"], row, np.array([1]), {}))
    rows = [
        {
            "network": "VGG16",
            "weights": "none",
            "mode": "scratch",
            "epochs": epochs,
            "configuration": str(epochs),
        }
        for epochs in range(groups + 1)
    ]
    trials = pd.DataFrame(rows).assign(status="done", device="A100")
    found, omitted = read_groups(None, trials)
    assert (len(found), omitted) == (drawn, left)
    assert [group.epochs for group in found[:2]] == [1, 2], "one epoch is drawn, none is not"
    assert read_groups(None, trials.head(1)) == ([], 0) == read_groups(None, pd.DataFrame({"trial": ["x"]}))


def test_the_front_is_always_among_the_points(monkeypatch):
    monkeypatch.setattr(tradeoff, "MOST_POINTS", 1)
    found = [
        Candidate(f"n{number}", "VGG16", "transfer", "g", accuracy, None, None, seconds, None, 1)
        for number, (accuracy, seconds) in enumerate([(0.5, 1), (0.9, 9), (0.8, 10)])
    ]
    drawn = tradeoff.against_cost(found, "seconds", Colors(["VGG16"]))
    assert sorted(drawn.data[1]["y"]) == [50, 90] and drawn.caption.startswith("2 of 3 configurations")
    assert drawn.data[1]["marker"]["line"] == {"width": 1, "color": "rgba(127,127,127,0.6)"}


def test_the_networks_that_are_kept_are_first_replicates():
    trials = pd.DataFrame(
        {
            "trial": list("abcde"),
            "configuration": list("xxyyz"),
            "status": ["failed", "done", "done", "done", "done"],
        }
    )

    class Decided:
        named, best = (Candidate("n", "n", "m", "g", 0.9, None, None, 1.0, None, 1, key) for key in "yx")

    assert _chosen(trials, Decided) == ["c", "b"] and _chosen(trials, None) == []


@pytest.mark.parametrize(("count", "shown", "more"), [(12, 12, 0), (13, 12, 1)])
def test_what_the_page_is_given(monkeypatch, count: int, shown: int, more: int):
    given: dict[str, Any] = {}
    monkeypatch.setattr(page, "write_page", lambda path, name, **values: given.update(values))
    frame = pd.DataFrame({"network": ["VGG16"]})
    names = [f"accuracy-transfer-{number}" for number in range(count)]
    names += ["latency", "cost", "transfer-against-scratch", "trials", "evaluation"]
    trials = pd.DataFrame({"trial": ["a"], "network": ["VGG16"], "status": ["done"]})
    tables = {name: Table(f"s: {name}", name, frame) for name in names}
    figures = {
        kind: [Figure(f"{kind}-{n}", "", []) for n in range(count)] for kind in ("classes", "confusion")
    }
    contents = gather.Contents(
        "s", "", trials, pd.DataFrame(), tables, [], figures=figures, command="it run s"
    )
    page.write_report_page(contents, "now", Path("report.html"))
    assert [one.file for one in given["accuracy_tables"]] == names[:shown] and given[
        "more_accuracy_tables"
    ] == more
    assert [one.file for one in given["other_tables"]] == ["latency"]
    assert given["against_scratch"] == ["transfer-against-scratch"]
    assert [(one.file, one.closed) for one in given["trial_tables"]] == [
        ("trials", True),
        ("evaluation", True),
    ]
    (cost,) = given["tables"]("cost", "nowhere")
    assert (cost.file, cost.closed, cost.title) == ("cost", False, "Cost")
    drawn = [len(given["drawn"](kind)) for kind in ("classes", "confusion", "none")]
    assert drawn == [shown, count, 0]
    assert given["counts"] == {"done": 1, "total": 1, "others": []} and given["made_at"] == "now"
    assert (given["answer"], given["images_grid"], given["curves"], given["gone"]) == (None, None, None, "")


def test_a_reference_adds_its_tables_and_what_is_not_drawn_is_said(suite, monkeypatch):
    results, ids = suite
    trials = gather.trials_frame(results, ids)
    configurations = gather.configurations_frame(trials)
    files = {
        reference: [table.file for table in gather.all_tables("s", trials, configurations, reference)]
        for reference in (None, "bloodmnist", "thesis-2018")
    }
    assert [name for name in files["bloodmnist"] if name not in files[None]] == ["published"]
    assert next(name for name in files["thesis-2018"] if name not in files[None]) == "reference"
    monkeypatch.setattr(gather.learning, "read_groups", lambda results, trials: ([], 3))
    notes = gather.gather(results, ids).notes
    assert notes == ["Curves of 3 more modes and epoch counts are omitted."]
    before = gather.Contents("s", "", trials, configurations, {}, [])
    assert (before.pictures_missing, before.classes, before.majority, before.command) == (0, 0, None, "")


def test_searches_for_a_rate_are_one_figure(suite, monkeypatch):
    results, ids = suite
    found = SearchPhase(wall_s=1.0, cpu_s=1.0, learning_rate=1e-3, curve=((1e-4, 2.0), (1e-3, 1.0)))
    attempt = results.attempts(ids[1])[0]
    record = attempt.record()
    write_record(attempt, replace(record, phases=replace(record.phases, search=found)))
    contents = gather.gather(results, ids)
    (figure,) = contents.figures["rate search"]
    assert [one["x"] for one in figure.data] == [[1e-4, 1e-3], [1e-3]]
    assert figure.data[0]["name"] == "VGG16, transfer, 9 epochs"
