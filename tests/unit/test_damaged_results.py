"""Results that a disk, or somebody, has damaged: what can be made again is, and nothing else is touched."""

import json
import os
from pathlib import Path

import pytest
from equipment.attempts import read_events
from equipment.results.records import a_record, a_trial, write_record
from msgspec import structs

from bench.journal.damage import warnings_of
from bench.journal.results import SuiteResults
from bench.journal.runs import measures_alone, runs_file, state_of_runs
from bench.plan.decide import make_plan
from bench.report.figures.machine import read_samples
from bench.report.frame import trials_frame
from bench.runner.suite import recover
from bench.tracking.markers import mark_sent
from bench.worker.files import write_json

TRIAL = a_trial("LeNet5", epochs=1)


CHANGED = [
    '{"status": "well"}',
    '{"status": "done", "phases": null}',
    '{"status": "done", "phases": {"train": null}}',
    '{"status": "done", "test": "good"}',
    '{"status": "done", "test": {"accuracy": "high"}}',
    '{"status": "done", "steady": 7}',
    '{"status": "done", "disturbed": [7]}',
    "[" * 100_000,
]
"""Records that somebody, or a disk, has changed: a value of another kind."""


@pytest.fixture
def results(tmp_path: Path) -> SuiteResults:
    results = SuiteResults(tmp_path, "suite")
    attempt = results.new_attempt(TRIAL)
    worker = {"t": 1, "cpu": 1, "event": "evaluated", "metrics": {"accuracy": 1.0, "images": 1}}
    attempt.events.write_text(json.dumps(worker) + "\n")
    ended = {"t": 2, "cpu": 2, "event": "ended", "exit_code": 0, "cpu_s": 1.0, "stopped": {}}
    attempt.runner_events.write_text(json.dumps(ended) + "\n")
    attempt.predictions.touch()
    return results


@pytest.mark.parametrize("content", ["", "garbage", "null", "{}", "[1]", *CHANGED])
def test_a_damaged_record_is_made_again_from_the_journals(results: SuiteResults, content: str):
    (attempt,) = results.all_attempts()
    attempt.result.write_text(content)
    (planned,) = make_plan([TRIAL], results)
    assert planned.status == "unfinished"
    said: list[str] = []
    recover(results, said.append)
    assert attempt.record().done
    (sentence,) = said
    assert sentence.startswith(f"{attempt.result} was damaged (")
    assert sentence.endswith("); it is made again from the journals.")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"t": 3, "cpu": 3, "event": "phase_started"}, "phase is missing"),
        ({"t": "soon", "cpu": 3, "event": "phase_started", "phase": "train"}, "t: expected int, got str"),
        ({"t": 3, "event": "epoch", "epoch": 1}, "metrics is missing"),
    ],
)
def test_journals_that_say_nothing_sensible_are_put_aside(results: SuiteResults, line: dict, field: str):
    (attempt,) = results.all_attempts()
    ended = {"t": 4, "cpu": 4, "event": "phase_ended", "phase": "train", "figures": {}}
    attempt.events.write_text(f"{json.dumps(line)}\n{json.dumps(ended)}\n")
    said: list[str] = []
    recover(results, said.append)
    assert results.all_attempts() == []
    (sentence,) = said
    assert sentence.startswith(f"{attempt.events}, line 1 is damaged: {field}")
    assert sentence.endswith("The attempt is set aside as damaged-attempt-1.")
    kept = attempt.folder.with_name(f"damaged-{attempt.folder.name}")
    assert (kept / "events.jsonl").is_file()


def test_samples_of_the_machine_that_are_none_are_passed_over(results: SuiteResults):
    (attempt,) = results.all_attempts()
    lines = [
        {
            **{"event": "header", "gauges": ["cpu_percent"], "counters": [], "unavailable": {}},
            **{"interval_s": 0.1, "cores": {"slot": 1, "machine": 2}},
        },
        *(
            {"t": t, "n": 1, "c": [], "g": g}
            for t, g in ((10, [50.0]), (None, [1.0]), (20, None), (30, ["x"]), (40, [70.0]))
        ),
    ]
    (attempt.folder / "telemetry.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples = read_samples(attempt)
    assert samples.values["cpu_percent"].tolist() == [50.0, 70.0]


def test_a_report_says_which_record_is_damaged(results: SuiteResults):
    (attempt,) = results.all_attempts()
    write_json(attempt.result, {"status": "done", "test": None})  # nothing of the wrong kind, much missing
    (row,) = trials_frame(results, [TRIAL.id]).to_dict("records")
    assert row["status"] == "unfinished"
    assert row["reason"] == "the record of attempt 1 is damaged (format is missing); a run makes it again"


def test_an_attempt_without_a_readable_trial_is_put_aside(results: SuiteResults):
    (attempt,) = results.all_attempts()
    (attempt.folder / "trial.json").write_text("garbage")
    recover(results, [].append)
    assert results.all_attempts() == []
    assert (attempt.folder.parent / "damaged-attempt-1" / "events.jsonl").is_file()


def test_folders_that_look_like_attempts_are_none(results: SuiteResults):
    (attempt,) = results.all_attempts()
    attempt.folder.with_name("attempt-1-old").mkdir()
    attempt.folder.with_name("attempt-1.partial").mkdir()
    assert results.all_attempts() == [attempt]


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    path.write_text('null\n[1]\n"text"\n{"t": 1}\n{"event": "kept"}\n\xff\n')
    assert read_events(path) == [{"event": "kept"}]


def test_a_record_stays_as_it_is(results: SuiteResults):
    (attempt,) = results.all_attempts()
    before = write_record(attempt, a_record(disturbed=("Somebody was here before.",)))
    said: list[str] = []
    recover(results, said.append)
    assert said == []
    assert attempt.record() == before


def test_strays_are_one_sentence_and_nothing_else(results: SuiteResults):
    (attempt,) = results.all_attempts()
    write_record(attempt, a_record())
    mark_sent(attempt, "store")
    assert results.strays() == ""
    (results.trials / ".DS_Store").write_bytes(b"\xff")
    (attempt.folder.parent / "attempt-7").write_text("a file")
    (attempt.folder.parent / "attempt-01").mkdir()
    (attempt.folder.parent / "attempt-1 (copy)").mkdir()
    (attempt.folder / "notes.txt").write_bytes(b"\xff")
    assert results.all_attempts() == [attempt]
    assert results.trial_ids() == [TRIAL.id]
    assert results.strays().endswith("and 3 more does not belong to the results and is passed over.")
    assert results.new_attempt(TRIAL).number == 2


@pytest.mark.parametrize(("number", "more"), [(0, ""), (1, ""), (2, " and 1 more"), (3, " and 2 more")])
def test_the_first_stray_and_the_first_broken_line_are_named_and_others_counted(
    results, number: int, more: str
):
    (attempt,) = results.all_attempts()
    attempt.events.write_text("{}\n" + "broken\n" * number + "torn")
    attempt.runner_events.write_text("{}\n")
    for one in range(number):
        (results.trials / f"stray{one}").touch()
    said = [
        f"{results.trials / 'stray0'}{more} does not belong to the results and is passed over.",
        f"{attempt.events}, line 2{more and f' ({more[1:]})'} is not JSON and is passed over.",
    ]
    said[1] += (
        " The attempt counts without what the line said; if that is too little, repeat the trial with run --fresh."
    )
    assert warnings_of(results) == (said if number else [])


ASIDE = "damaged-attempt-1"


@pytest.mark.parametrize("name", ["events.jsonl", "runner.jsonl"])
def test_a_folder_instead_of_a_journal_costs_its_attempt(results: SuiteResults, name: str):
    (attempt,) = results.all_attempts()
    (attempt.folder / name).unlink()
    (attempt.folder / name).mkdir()
    other = results.new_attempt(structs.replace(TRIAL, id="zzz"))
    said: list[str] = []
    recover(results, said.append)
    assert results.all_attempts() == [other] and other.record() is not None, "what comes after it is folded"
    assert said == [
        f"{attempt.folder / name} is damaged: it is a folder. The attempt is set aside as {ASIDE}."
    ]
    assert (attempt.folder.parent / ASIDE).is_dir()


def test_a_folder_instead_of_a_record_costs_its_attempt(results: SuiteResults):
    (attempt,) = results.all_attempts()
    attempt.result.mkdir()
    assert attempt.record() is None
    assert attempt.damage() == "it is a folder"
    recover(results, lambda said: None)
    assert results.all_attempts() == []


@pytest.mark.parametrize(
    "content", [b"\xff\n", b'{"event": "run_started"}\n{"event": "run_ended", "t": "x"}\n']
)
def test_a_damaged_note_of_runs_is_no_result(results: SuiteResults, content: bytes):
    runs_file(results).write_bytes(content)
    assert state_of_runs(results) is None
    assert not measures_alone(results.results)


def test_no_log_hurts_a_record(results: SuiteResults):
    (attempt,) = results.all_attempts()
    attempt.runner_events.write_text('{"t": 2, "event": "ended", "exit_code": 1, "cpu_s": 1.0}\n')
    with attempt.log.open("wb") as log:
        log.truncate(4 << 30)
        log.seek(0, 2)
        log.write(b"\xff\xfe\x00 the end")
    recover(results, lambda said: None)
    assert attempt.record().failure.log[-1].endswith("the end")


def test_what_a_killed_report_left_goes_and_what_another_one_writes_stays(results: SuiteResults):
    folder = results.report / "tables"
    folder.mkdir(parents=True)
    ours, gone = folder / f"trials.csv.{os.getpid()}.partial", folder / "trials.csv.4194305.partial"
    for path in (ours, gone):  # no process has a number as large as the second
        path.touch()
    recover(results, lambda said: None)
    assert ours.exists() and not gone.exists()


def test_what_a_kill_left_of_an_attempt_that_did_not_begin_and_of_a_checkpoint_goes(results: SuiteResults):
    """The empty folder comes before an attempt that has no record either."""
    (attempt,) = results.all_attempts()
    attempt.folder.with_name("attempt-2").mkdir()
    other = results.new_attempt(structs.replace(TRIAL, id="zzz"))
    for of in (TRIAL.id, other.trial_id):
        results.checkpoint(of).mkdir()
    said: list[str] = []
    recover(results, said.append)
    assert said == [] and results.all_attempts() == [attempt, other]
    assert attempt.record().done and not other.record().done
    assert results.checkpointed() == ["zzz"], "of the one that is done it goes"
