"""Records of attempts that go on from the checkpoint of an earlier one."""

import json
from pathlib import Path

import pytest
from equipment.results.records import a_trial
from msgspec.structs import replace

from bench.errors import DamagedAttempt
from bench.journal.events import PhaseEnded, PhaseStarted
from bench.journal.history import Stretch, history, open_phase, summed
from bench.journal.results import Attempt, SuiteResults
from bench.records.accuracy_time import moments_of
from bench.records.fold import HISTORY_FILE, finish, fold
from bench.records.growth import TOO_FEW
from bench.trials.phases import CompilePhase, FeaturesPhase, Phases, TrainPhase
from bench.trials.record import Resumed

SECOND = 10**9
TRACED = {"steps": 3, "wall_s": 2.0, "input_stall": None, "kinds": {}, "top": [], "trace": "trace/x.pb"}
TRACED |= {"kernel_busy": None, "copies_s": None}
TRIAL = a_trial("LeNet5", epochs=4)


def write(path: Path, events: list[dict]) -> None:
    path.write_text("".join(json.dumps({"cpu": event["t"], **event}) + "\n" for event in events))


def journals(attempt: Attempt, events: list[tuple[float, str, dict]], exit_code: int | None) -> None:
    write(attempt.events, [{"t": int(t * SECOND), "event": event, **more} for t, event, more in events])
    runner = [{"t": 0, "event": "started", "at": "2026-01-01T00:00:00+00:00"}]
    if exit_code is not None:
        end = {"exit_code": exit_code, "cpu_s": 40.0, "stopped": {}, "memory_kills": 0}
        runner.append({"t": int((events[-1][0] + 1) * SECOND), "event": "ended", **end})
    write(attempt.runner_events, runner)


def phase(name: str, began: float, ended: float, **figures) -> list[tuple[float, str, dict]]:
    return [
        (began, "phase_started", {"phase": name}),
        (ended, "phase_ended", {"phase": name, "figures": figures}),
    ]


def epoch(t: float, number: int) -> tuple[float, str, dict]:
    pace = {"stage": 0, "steps": 2, "images": 50, "steps_s": 7.0, "data_wait_s": 3.0}
    return (t, "epoch", {"epoch": number, "metrics": {"loss": 1 / number}, "validation_s": 1.0, **pace})


TWO_EPOCHS = [(8.0, "phase_started", {"phase": "train"}), epoch(18, 1), epoch(28, 2)]

PARTS = ("steps_s", "data_wait_s", "validation_s", "checkpoint_s", "recompile_s", "between_s", "ending_s")


@pytest.fixture
def resumed(tmp_path: Path) -> Attempt:
    """Killed 6 s after the checkpoint of epoch 2 of 4; the second attempt goes on from there."""
    results = SuiteResults(tmp_path, "suite")
    first, second = results.new_attempt(TRIAL), results.new_attempt(TRIAL)
    before = [
        *phase("startup", 0, 3),
        *phase("reference_work", 3, 4, gflops=200.0),
        *phase("data", 4, 5, train_images=100),
        *phase("compile", 5, 8),
        *TWO_EPOCHS,
        (30.0, "checkpointed", {"epoch": 2, "seconds": 2.0, "cpu_s": 1.5}),
        epoch(34, 3),
        (36.0, "heartbeat", {"done": 1, "total": 2}),
    ]
    journals(first, before, exit_code=-9)
    after = [
        *phase("startup", 100, 104),
        *phase("data", 104, 105, train_images=100),
        (105.0, "resumed", {"epoch": 2, "tag": "1"}),
        *phase("compile", 105, 107),
        (107.0, "phase_started", {"phase": "train"}),
        epoch(117, 3),
        epoch(127, 4),
        (
            127.0,
            "phase_ended",
            {
                "phase": "train",
                "figures": {
                    **{"images": 184, "validation_s": 2.0, "checkpoint_s": 0.0, "checkpoint_cpu_s": 0.25},
                    **{"steps_s": 8.0, "data_wait_s": 5.0},
                },
            },
        ),
        *phase("evaluate", 127, 128, images=8),
        (128.0, "evaluated", {"metrics": {"accuracy": 1.0, "images": 8}}),
        *phase("reference_work", 128, 129, gflops=190.0),
        *phase("reference_work", 129, 130.5, gflops=195.0),
        *phase("profile", 131, 136, **TRACED),
    ]
    journals(second, after, exit_code=0)
    second.predictions.write_text("")
    return second


def test_every_epoch_is_a_line_of_the_history_also_those_before_the_checkpoint(resumed: Attempt):
    finish(resumed)
    lines = (resumed.folder / HISTORY_FILE).read_text().splitlines()
    assert lines == ["epoch,loss", "1,1.0", "2,0.5", f"3,{1 / 3}", "4,0.25"]


def test_times_are_sums_over_the_attempts_and_flagged(resumed: Attempt):
    first, later = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"
    resumed.runner_events.write_text(resumed.runner_events.read_text().replace(first, later))
    record = fold(resumed)
    assert (record.status, record.last_epoch, record.started_at) == ("done", {"loss": 0.25}, later)
    assert record.resumed == Resumed(from_epoch=2, attempts=(1, 2), lost_s=6.0)
    assert record.phases.train.wall_s == 22 + 20
    assert record.phases.startup.wall_s == 7
    assert record.phases.reference_work.wall_s == 1 + 1 + 1.5, "a phase that comes twice"
    assert record.phases.profile.wall_s == 5, "not that of the trace"
    assert record.profile.wall_s == 2
    assert record.fit_time.wall_s == (3 + 22) + (2 + 20) - 2, "the checkpoint is no part of it"
    spent = record.phases.compile.cpu_s + record.phases.train.cpu_s
    assert record.fit_time.cpu_s == pytest.approx(spent - 1.5 - 0.25), "nor is its processor time"
    assert record.time_to_result.wall_s == 29 + 28 + 6, "but what was done twice was waited for"
    train = record.phases.train
    assert (train.steps_s, train.data_wait_s) == (2 * 4.0 + 8.0, 2 * 3.0 + 5.0)
    cut = history(resumed)[0].phases.train
    assert (cut.steps, sum(getattr(cut, part) for part in PARTS)) == (4, pytest.approx(cut.wall_s))
    assert (cut.wall_s, cut.cpu_s, cut.images, cut.checkpoint_cpu_s, cut.ending_s) == (22, 22, 200, 1.5, 0)
    assert (cut.validation_s, cut.checkpoint_s, cut.between_s) == (2, 2, 22 - 14 - 2 - 2)
    images, seconds = 2 * 100 + 184, 42 - 4 - 2
    assert record.throughput.train_images_per_s == pytest.approx(images / seconds)


def test_a_record_says_why_each_metric_is_missing(resumed: Attempt):
    unknown = "the work of a training step is not known"
    assert fold(resumed).unavailable == {
        "steady": "training was too short to settle: 2 stretches of steps after the first step",
        "time_to_accuracy": "nothing was validated after epochs",
        "input_stall": "the trace does not show in which part of a step its batch is got",
        "telemetry": "nothing was sampled, or the file is damaged",
        "energy": "the trial ran without telemetry",
        "work": "nothing was built yet",
        "memory": "the journal does not tell: training did not come to its end",
        "memory_growth": TOO_FEW,
        **dict.fromkeys(("model_flops_per_s", "of_measured_peak", "of_datasheet_peak_busy"), unknown),
        **dict.fromkeys(("gpm_fp32", "gpm_tensor"), "there is no telemetry"),
    }


def test_of_another_trial_only_the_training_counts(resumed: Attempt):
    """With `share_prefix` the first attempt is one of a trial of 2 epochs, which also evaluated."""
    short = resumed.folder.parents[1] / "short"
    resumed.tagged("1").folder.rename(short.parent / "moved")
    short.mkdir()
    (short.parent / "moved").rename(short / "attempt-1")
    text = resumed.events.read_text()
    resumed.events.write_text(text.replace('"tag": "1"', '"tag": "short/attempt-1"'))
    record = fold(resumed)
    assert record.resumed == Resumed(from_epoch=2, attempts=(2,), lost_s=0.0, trial="short", shared_s=22.0)
    assert record.phases.train.wall_s == 22 + 20
    assert record.phases.startup.wall_s == 4, "its own"
    assert record.time_to_result.wall_s == 28 + 22
    assert record.result_as_run_s == 28
    assert record.epochs == 4


def test_of_a_trial_that_was_resumed_itself_only_the_training_counts(resumed: Attempt):
    """`share_prefix`: its two attempts trained 4 epochs, 100 images each; another trial trains 2 more."""
    text = resumed.events.read_text()
    last_epoch = text.splitlines()[9]
    assert '"epoch": 4' in last_epoch
    left = {
        "event": "checkpointed",
        "t": 127 * SECOND,
        "cpu": 127 * SECOND,
        "epoch": 4,
        "seconds": 0.0,
        "cpu_s": 0.0,
    }
    resumed.events.write_text(text.replace(last_epoch, f"{last_epoch}\n{json.dumps(left)}"))
    long = SuiteResults(resumed.folder.parents[3], "suite").new_attempt(a_trial("LeNet5", epochs=6))
    events = [
        *phase("startup", 200, 202),
        *phase("data", 202, 203, train_images=100),
        *phase("features", 203, 206),
        (206.0, "resumed", {"epoch": 4, "tag": resumed.tag}),
        *phase("compile", 206, 209),
        (209.0, "phase_started", {"phase": "train"}),
        epoch(219, 5),
        epoch(229, 6),
        (229.0, "phase_ended", {"phase": "train", "figures": {"images": 200}}),
        *phase("evaluate", 229, 230, images=8),
        (230.0, "evaluated", {"metrics": {"accuracy": 1.0, "images": 8}}),
    ]
    journals(long, events, exit_code=0)
    long.predictions.write_text("")
    record = fold(long)
    trained = (30 - 8) + (127 - 107)
    assert record.resumed == Resumed(
        from_epoch=4, attempts=(1,), lost_s=0.0, trial=TRIAL.id, shared_s=trained
    )
    assert record.phases.train.wall_s == trained + 20
    assert (record.phases.startup.wall_s, record.phases.compile.wall_s) == (2, 3), "its own"
    assert record.result_as_run_s == 30
    assert record.time_to_result.wall_s == 30 + trained
    stretches = history(long)
    assert [one.of_another for one in stretches] == [True, True, False]
    assert [one.events[0].phase for one in stretches] == ["compile", "compile", "startup"]
    for stretch in stretches:
        for one in stretch.epochs:
            one.metrics["validation_accuracy"] = 0.5
    moments = moments_of(stretches)
    compiled, checkpoint = 8 - 5, 2.0
    times = [compiled + 10, compiled + 20]
    times += [compiled + 22 - checkpoint + passed for passed in (10, 20, 30, 40)]
    assert [one.fit_s for one in moments] == times, "as if it had compiled once"
    assert [one.work_s for one in moments] == [one + 3 for one in times], "and extracted its features before"


@pytest.mark.parametrize(
    ("number", "checkpoint", "recompiled", "between"),
    [(1, None, 14, 2), (1, 20.0, 12, 2), (0, None, 0, 16), (1, 39.0, 0, 14)],
)
def test_what_a_later_stage_takes_to_begin_is_no_training(
    tmp_path: Path, number: int, checkpoint: float | None, recompiled: float, between: float
):
    """Epochs at 18 and 40 s, of which steps took 7 and validation 1; 2 s for each checkpoint, the last from 40 s on."""
    results = SuiteResults(tmp_path, "suite")
    first, second = results.new_attempt(TRIAL), results.new_attempt(TRIAL)
    before = [
        *phase("data", 0, 1, train_images=100),
        (8.0, "phase_started", {"phase": "train"}),
        epoch(18, 1),
        *([(checkpoint, "checkpointed", {"epoch": 1, "seconds": 2.0})] if checkpoint else []),
        (40.0, "epoch", epoch(40, 2)[2] | {"stage": number}),
        (42.0, "checkpointed", {"epoch": 2, "seconds": 2.0}),
    ]
    journals(first, before, exit_code=-9)
    journals(second, [(105.0, "resumed", {"epoch": 2, "tag": "1"})], exit_code=None)
    cut = history(second)[0].phases.train
    assert (cut.recompile_s, cut.between_s) == (recompiled, between)
    assert sum(getattr(cut, part) for part in PARTS) == pytest.approx(cut.wall_s) == 34


def test_what_parts_of_training_took_together_is_not_made_less_by_their_errors(tmp_path: Path):
    results = SuiteResults(tmp_path, "suite")
    first, second = results.new_attempt(TRIAL), results.new_attempt(TRIAL)
    before = [
        (8.0, "phase_started", {"phase": "train"}),
        epoch(15, 1),
        (16.0, "checkpointed", {"epoch": 1, "seconds": 1.0}),
    ]
    journals(first, before, exit_code=-9)
    journals(second, [(105.0, "resumed", {"epoch": 1, "tag": "1"})], exit_code=None)
    assert history(second)[0].phases.train.between_s == 0, "7 + 1 + 1 s in 8 s"


def test_of_two_stretches_seconds_images_and_steps_add_up_and_the_last_one_tells_the_rest():
    added = ("wall_s", "cpu_s", "images", "steps", *PARTS, "checkpoint_cpu_s")
    one = dict(zip(added, range(1, 20), strict=False))
    ten = {name: 10 * value for name, value in one.items()}
    features = FeaturesPhase(wall_s=1, cpu_s=2, images=3, as_run_s=4, as_run_cpu_s=5, made_by="a/attempt-1")
    first = Phases(
        train=TrainPhase(**one),
        compile=CompilePhase(wall_s=1, cpu_s=1, first_step_s=3.0),
        features=features,
    )
    second = Phases(
        train=TrainPhase(**ten),
        compile=CompilePhase(wall_s=2, cpu_s=2, first_step_s=2.0),
        features=replace(features, wall_s=10, cpu_s=20, images=30, as_run_s=40, as_run_cpu_s=50, made_by="b"),
    )
    both = summed([Stretch(Attempt(Path("a")), None, [], phases=one) for one in (first, second)])
    assert both.train == TrainPhase(**{name: 11 * value for name, value in one.items()})
    assert both.compile == CompilePhase(wall_s=3, cpu_s=3, first_step_s=2.0)
    assert both.features == FeaturesPhase(
        wall_s=11, cpu_s=22, images=33, as_run_s=44, as_run_cpu_s=55, made_by="b"
    )


def test_every_epoch_is_there_once(resumed: Attempt):
    epochs = [epoch.epoch for stretch in history(resumed) for epoch in stretch.epochs]
    assert epochs == [1, 2, 3, 4]
    assert fold(resumed).epochs == 4


def test_the_attempt_that_was_killed_keeps_its_own_record(resumed: Attempt):
    first = Attempt(resumed.folder.with_name("attempt-1"))
    record = fold(first)
    assert (record.status, record.failure.kind) == ("failed", "crashed")
    assert (record.failure.phase, record.failure.epoch) == ("train", 3)
    assert record.resumed is None and record.phases.train is None, "nobody says what it trained on"


def test_a_third_attempt_goes_on_from_the_second(resumed: Attempt, tmp_path: Path):
    # The second attempt is cut off as well, after a checkpoint of its own.
    second = [json.loads(line) for line in resumed.events.read_text().splitlines()]
    cut = next(index for index, event in enumerate(second) if event.get("epoch") == 3)
    checkpoint = {"t": 118 * SECOND, "event": "checkpointed", "epoch": 3, "seconds": 1.0}
    write(resumed.events, [*second[: cut + 1], checkpoint])
    third = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    journals(
        third,
        [
            *phase("startup", 200, 204),
            (204.0, "resumed", {"epoch": 3, "tag": "2"}),
            *phase("compile", 204, 205),
            *phase("train", 205, 215, images=84, validation_s=1.0, checkpoint_s=0.0),
            (215.0, "evaluated", {"metrics": {"accuracy": 1.0, "images": 8}}),
        ],
        exit_code=0,
    )
    third.predictions.write_text("")
    record = fold(third)
    assert record.resumed == Resumed(from_epoch=3, attempts=(1, 2, 3), lost_s=6.0)
    assert record.phases.train.wall_s == 22 + 11 + 10


@pytest.mark.parametrize(
    ("events", "exit_code", "teardown"),
    [
        ([(5.0, "phase_started", {"phase": "teardown"})], 0, (1, 35)),
        ([(5.0, "phase_started", {"phase": "teardown"})], 1, None),
        ([(5.0, "phase_started", {"phase": "teardown"})], None, None),
        ([(5.0, "phase_started", {"phase": "teardown"}), (7.0, "closed", {})], 0, (3, 35)),
        ([(5.0, "phase_started", {"phase": "teardown"}), (7.0, "closed", {})], -9, (2, 2)),
        ([(5.0, "phase_started", {"phase": "teardown"}), (7.0, "closed", {})], None, (2, 2)),
        (
            [
                (5.0, "phase_started", {"phase": "teardown"}),
                (7.0, "closed", {}),
                (9.0, "heartbeat", {"done": 1, "total": 2}),
            ],
            *(None, (2, 2)),
        ),
        ([(7.0, "closed", {})], 0, None),
        ([(50.0, "phase_started", {"phase": "teardown"})], 0, (1, 0)),
    ],
)
def test_the_end_of_a_process_lasts_until_it_is_gone_or_its_journal_complete(
    tmp_path: Path, events, exit_code, teardown
):
    """The processor time of all is 40 s in the end, and as many seconds as passed in the journal."""
    attempt = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    journals(attempt, [*phase("startup", 0, 3), *events], exit_code)
    (only,) = history(attempt)
    found = only.phases.teardown
    assert (found and (found.wall_s, found.cpu_s)) == teardown
    assert (only.phases.startup.wall_s, only.lost_s, only.of_another) == (3, 0, False)


def test_features_that_are_shared_count_as_if_they_were_extracted_here(tmp_path: Path):
    attempt = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    told = {"extraction_s": 9.0, "extraction_cpu_s": 12.0, "images": 50}
    journals(attempt, [*phase("features", 1, 3, **told), *phase("data", 3, 4)], 0)
    (only,) = history(attempt)
    found = only.phases.features
    assert (found.wall_s, found.cpu_s, found.as_run_s, found.as_run_cpu_s) == (9, 12, 2, 2)
    assert only.phases.data.wall_s == 1


def test_the_phase_that_is_open_is_the_one_that_began_last():
    started = {name: PhaseStarted(t=0, phase=name) for name in ("train", "save")}
    ended = {name: PhaseEnded(t=0, phase=name) for name in started}
    assert open_phase([]) is None and open_phase([started["train"], ended["train"]]) is None
    assert open_phase([started["train"], started["save"]]) == "save"
    assert open_phase([started["train"], started["save"], ended["save"]]) == "train"
    assert open_phase([ended["train"], started["train"], started["save"], ended["train"]]) == "save"


def test_what_a_journal_lost_of_a_checkpoint_is_not_made_up(tmp_path: Path):
    """The line of epoch 1 is torn, and that of epoch 2 is none of it; images are counted where a phase tells them."""
    results = SuiteResults(tmp_path, "suite")
    first, second = results.new_attempt(TRIAL), results.new_attempt(TRIAL)
    before = [
        *TWO_EPOCHS,
        (30.0, "checkpointed", {"epoch": 2, "seconds": 2.0}),
    ]
    journals(first, before, exit_code=-9)
    for number, events, images in ((1, 0, None), (2, 4, 0), (3, 0, None)):
        journals(second, [(105.0, "resumed", {"epoch": number, "tag": "1"})], exit_code=None)
        earlier, _ = history(second)
        train = earlier.phases.train
        assert (len(earlier.events), train and train.images, earlier.lost_s) == (events, images, 0.0)


def test_a_figure_that_is_none_damages_the_journal(tmp_path: Path):
    attempt = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    journals(attempt, phase("data", 0, 1, train_images="many"), exit_code=0)
    with pytest.raises(DamagedAttempt, match=f"^{attempt.events} is damaged: .*data.*train_images"):
        history(attempt)
