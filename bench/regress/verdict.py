"""From a request to its verdict: a session is opened, pairs run until it is time to stop, and they are judged."""

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare.baseline import machine_of
from bench.compare.betting import least_pairs
from bench.compare.compare import read_side
from bench.compare.differences import ANYWHERE, Fingerprint
from bench.compare.judging import judge
from bench.compare.matching import group, match
from bench.compare.measurement import Measurement, Pair, TrialPairs
from bench.compare.reading import Side, measurement_of, read_attempts
from bench.compare.verdict import Verdict
from bench.devices.machine import plural
from bench.errors import DamagedAttempt, InputError
from bench.journal.results import Attempt, SuiteResults
from bench.regress.pairs import Kind, PairedRuns, PairJournal, Results, Run, seconds_of
from bench.regress.planning import (
    FIRST_PAIRS,
    configurations,
    noise_wanted,
    plan_pairs,
    runs_wanted,
    shared_out,
)
from bench.regress.schedule import expected
from bench.regress.session import RegressRequest, Session, Speaker, open_session, side_differences
from bench.regress.sides import NAMES, SideName
from bench.regress.sides import Side as RunningSide
from bench.regress.stopping import GROWTH, after_look, next_trial
from bench.trials.trial import Trial

UNPAIRED = (
    "The baseline was recorded at another time: what changed on the machine since then is in the ratios, too. "
    "For small changes, measure both sides in turn."
)
CUT_SHORT = "The budget was spent before every trial ran as often as was wanted."

_STOPPED = 10**9
"""Stands for the runs of a trial that is not tried again."""


@dataclass(frozen=True)
class Outcome:
    """What a comparison comes to."""

    verdict: Verdict
    folder: Path
    """Where its runs and reports are."""


def run_regress(
    request: RegressRequest, speaker: Speaker, made: Mapping[SideName, RunningSide] | None = None
) -> Outcome:
    """Compare two environments; see `bench.regress.session.open_session` for the errors.

    Args:
        request: What is asked for.
        speaker: Is told the progress.
        made: The sides, where they are made already.
    """
    request.check()
    recorded = None if request.recorded is None else read_side(request.recorded, request.results)
    with open_session(request, speaker, made) as session:
        if recorded is not None:
            verdict = against_recorded(session, recorded)
        elif request.pairs is not None:
            verdict = with_pairs(session, request.pairs)
        else:
            verdict = until_clear(session)
        return Outcome(verdict, session.folder)


def with_pairs(session: Session, pairs: int) -> Verdict:
    """Run a given number of pairs of each configuration, shared by its seeds, then judge.

    Judging again after more pairs keeps the promise: see `bench.compare.speed.judge_speed`.

    Raises:
        InterruptedRun: A signal came; finished pairs are kept.
    """
    schedule, groups = session.schedule, session.schedule.groups
    first_pairs(session, pairs)
    schedule.bring_to("ab", shared_out(dict.fromkeys(groups, pairs), groups))
    return judge_pairs(session, Evidence.of(session))


def until_clear(session: Session) -> Verdict:
    """Screen all configurations, follow suspicions, and deal pairs to what is nearest to a verdict until all is clear.

    The noise is measured when nothing is suspected: where something is slower, the budget goes there.

    Raises:
        InterruptedRun: A signal came; finished pairs are kept.
    """
    schedule, groups, say = session.schedule, session.schedule.groups, session.speaker.say
    evidence = Evidence.of(session)
    first_pairs(session, FIRST_PAIRS)
    deal(session, evidence, dict.fromkeys(groups, False), suspects_only=True)
    if not judge_pairs(session, evidence).regressions:
        schedule.measure_noise(noise_wanted(groups, (pair.baseline.key for pair in evidence.elsewhere)))
    plan = plan_pairs(evidence.noise(schedule.pairs), len(groups), session.request.thresholds)
    say(str(plan))
    seen = -1
    while True:
        verdict = judge_pairs(session, evidence, str(plan))
        after = after_look(verdict, schedule, seen)
        ran = schedule.count("ab")
        pairs = f"{ran} pair{'' if ran == 1 else 's'}"
        if not after.helped:
            say(f"{pairs}: {after.why}" + ("; the budget is spent." if schedule.cut_short else "."))
            return verdict
        say(f"{pairs}: {after.why}; more pairs.")
        seen = schedule.count("ab")
        deal(session, evidence, after.helped, math.ceil(GROWTH * seen))


def deal(
    session: Session,
    evidence: "Evidence",
    helped: Mapping[str, bool],
    until: int | None = None,
    suspects_only: bool = False,
) -> None:
    """Run pairs of the trials that are nearest to a verdict, until there are so many in all or it is time to judge.

    Args:
        session: Of the comparison.
        evidence: Reads its pairs.
        helped: See `bench.regress.stopping.Next`.
        until: Pairs of baseline and candidate; None: any number.
        suspects_only: Only suspected regressions get pairs.
    """
    schedule, thresholds = session.schedule, session.request.thresholds
    while until is None or schedule.count("ab") < until:
        trials = evidence.trials(schedule.pairs)
        trial = next_trial(trials, helped, schedule, thresholds, suspects_only)
        if trial is None:
            return
        schedule.run_next(trial)


def first_pairs(session: Session, most: int) -> None:
    """Run the first pairs of every configuration, whatever the budget, so that the verdict has all of them."""
    groups = session.schedule.groups
    first = dict.fromkeys(groups, min(FIRST_PAIRS, most))
    session.schedule.bring_to("ab", shared_out(first, groups), within=False)


def judge_pairs(session: Session, evidence: "Evidence", *notes: str) -> Verdict:
    """Judge the pairs that ran so far."""
    pairs, sides = session.schedule.pairs, session.sides
    return judge(
        evidence.trials(pairs),
        session.request.thresholds,
        noise=evidence.noise(pairs),
        baseline=sides["baseline"].label,
        candidate=sides["candidate"].label,
        differences=side_differences(sides),
        notes=[*notes, *_summary(pairs, session.schedule.cut_short)],
        looks=session.folder,
    )


class Evidence:
    """Pairs of attempts as pairs of measurements; each record is read once.

    Args:
        results: Where the attempts of both sides are.
        elsewhere: Pairs of the baseline with itself from other comparisons.
    """

    def __init__(self, results: Results, elsewhere: Sequence[Pair] = ()):
        self.results, self.elsewhere = results, list(elsewhere)
        self._read: dict[Run, Measurement] = {}

    @classmethod
    def of(cls, session: Session) -> "Evidence":
        """For the pairs of a session."""
        keys = {trial.key for trial in session.trials}
        place, baseline = session.place, session.keys[0]
        return cls(session.results, noise_elsewhere(session.folder, baseline, keys, place))

    def trials(self, pairs: Iterable[PairedRuns]) -> list[TrialPairs]:
        """Baseline against candidate: every configuration, those that failed, too."""
        latest = _latest(pairs, "ab")
        failed = [self.pair(one) for one in latest if not one.done]
        done = [self.pair(one) for one in latest if one.done]
        return group(done, [pair.baseline for pair in failed], [pair.candidate for pair in failed])

    def noise(self, pairs: Iterable[PairedRuns]) -> list[TrialPairs]:
        """The baseline against itself: of this comparison, and what other comparisons measured."""
        return group([*self.elsewhere, *(self.pair(one) for one in _latest(pairs, "aa") if one.done)])

    def pair(self, pair: PairedRuns) -> Pair:
        """A pair of attempts as a pair of measurements."""
        baseline, candidate = map(self._measured, pair.runs)
        return Pair(baseline, candidate)

    def _measured(self, run: Run) -> Measurement:
        if run not in self._read:
            found = measurement_of(run.of(self.results))
            assert found is not None, "a pair is kept once its records are written"
            self._read[run] = found
        return self._read[run]


def noise_elsewhere(
    folder: Path, baseline: str, trial_keys: set[str], place: Fingerprint = ANYWHERE
) -> list[Pair]:
    """Pairs of the same baseline with itself in other comparisons, so that noise is not measured again.

    Args:
        folder: Of the comparison for which they are wanted; the others are beside it.
        baseline: Key of the baseline, see `bench.regress.sides.Side.key`.
        trial_keys: Trials of which they may be.
        place: Where they must have run.
    """
    found: list[Pair] = []
    for journal in sorted(folder.parent.glob("*/pairs.jsonl")):
        if journal.parent != folder:
            evidence = Evidence({name: SuiteResults(journal.parent, name) for name in NAMES})
            pairs = _readable(PairJournal(journal.parent), (baseline, baseline), evidence.results, place)
            for one in pairs:
                if one.kind == "aa" and one.done and one.trial_key in trial_keys:
                    with contextlib.suppress(DamagedAttempt):  # a pair less to tell noise from
                        found.append(evidence.pair(one))
    return found


def against_recorded(session: Session, baseline: Side) -> Verdict:
    """Run the candidate as often as a saved baseline was, and judge.

    Raises:
        InputError: The baseline has none of the trials.
        InterruptedRun: A signal came; finished runs are kept.
    """
    say, thresholds = session.speaker.say, session.request.thresholds
    known = Counter(one.key for one in baseline.measurements if one.done)
    trials = [trial for trial in session.trials if known[trial.key]]
    if not trials:
        raise InputError(
            f"{baseline.name} has none of the suite's trials",
            "Their settings, seeds and images must be the same; `compare` says what differs.",
        )
    if left_out := len(session.trials) - len(trials):
        say(f"{baseline.name} lacks {left_out} of the suite's trials; the candidate runs them once.")
    bar = thresholds.bar("speed", len(configurations(trials)))
    if few := too_few(trials, known, baseline.name, least_pairs(bar)):
        say(few)
    cut_short = _run_missing(session, runs_wanted(session.trials, known, session.request.pairs))
    attempts = [attempt for found in _attempts(session).values() for attempt in found]
    candidate = read_attempts(attempts, "candidate")
    if baseline.machine:
        candidate = replace(candidate, machine=machine_of(candidate.measurements))
    keys = {trial.key for trial in session.trials}
    asked = replace(baseline, measurements=tuple(one for one in baseline.measurements if one.key in keys))
    return judge(
        match(asked, candidate),
        thresholds,
        baseline=baseline.name,
        candidate=session.sides["candidate"].label,
        notes=[UNPAIRED, *([CUT_SHORT] if cut_short else []), *baseline.warnings],
        looks=session.folder,
    )


def too_few(trials: Sequence[Trial], known: Mapping[str, int], name: str, minimum: int) -> str:
    """Which configurations have too few saved runs to judge times: a sentence, or nothing.

    Args:
        trials: Those that the baseline has.
        known: Key of a trial -> runs that the baseline has.
        name: Of the baseline.
        minimum: With fewer pairs no change of a time is claimed.
    """
    labels = {trial.key: trial.label for trial in trials}
    runs = {keys[0]: sum(known[key] for key in keys) for keys in configurations(trials).values()}
    few = [
        f"{number} run{'' if number == 1 else 's'} of {labels[key]}"
        for key, number in runs.items()
        if number < minimum
    ]
    if not few:
        return ""
    return (
        f"{name} has {', '.join(few)}: times need {minimum}. Run its suite with `run --fresh` as often as it takes "
        "(and save it with `baseline save --replace`)."
    )


def _run_missing(session: Session, wanted: Mapping[str, int]) -> bool:
    """Run what the candidate lacks, every trial once before any of them twice.

    Trials without a run get one whatever the budget, and the others as far as it goes. A trial that failed is
    not tried again.

    Returns:
        Whether the budget had no room for a run.
    """
    budget, runner, key = session.schedule.budget, session.runner, session.keys[1]
    took: dict[str, float] = {}
    done: dict[str, int] = {}
    cut_short = False
    for trial_key, attempts in _attempts(session).items():
        records = [record for one in attempts if (record := one.record()) is not None and record.done]
        done[trial_key] = len(records)
        took[trial_key] = seconds_of(records[-1]) if records else 0.0
    while todo := [trial for trial in session.trials if done[trial.key] < wanted[trial.key]]:
        todo.sort(key=lambda trial: done[trial.key])
        plan = {trial.key: runner.planned("candidate", trial, expected(took[trial.key])) for trial in todo}
        session.speaker.plan(list(plan.values()), runner.places, at_once=1)
        for trial in todo:
            if done[trial.key] and not budget.has_room_for(took[trial.key]):
                done[trial.key], cut_short = _STOPPED, True
                continue
            ran = runner.run_one("candidate", trial, plan[trial.key].prediction)
            session.journal.append_run(key, ran)
            record = runner.record_of(ran)
            took[trial.key] = seconds_of(record)
            done[trial.key] = done[trial.key] + 1 if record.done else _STOPPED
    return cut_short


def _attempts(session: Session) -> dict[str, list[Attempt]]:
    """Key of a trial -> the attempts at it of this candidate, on this device."""
    runs = session.journal.runs(session.keys[1], session.results, session.place)
    found = {}
    for trial in session.trials:
        own = session.runner.planned("candidate", trial, None).trial.id
        found[trial.key] = [run.of(session.results) for run in runs if run.trial_id == own]
    return found


def _latest(pairs: Iterable[PairedRuns], kind: Kind) -> list[PairedRuns]:
    """The pairs of a kind, without failures that a later pair of the same trial made good."""
    own = [one for one in pairs if one.kind == kind]
    last = {one.trial_key: one.done for one in own}
    return [one for one in own if one.done or not last[one.trial_key]]


def _readable(
    journal: PairJournal, sides: tuple[str, str], results: Results, place: Fingerprint
) -> Iterator[PairedRuns]:
    """The pairs of a journal; none where it has another format."""
    try:
        yield from journal.read(sides, results, place)
    except InputError:
        return


def _summary(pairs: Sequence[PairedRuns], cut_short: bool) -> list[str]:
    """What ran: sentences for the verdict."""
    compared = [one for one in pairs if one.kind == "ab"]
    noise = len(pairs) - len(compared)
    disturbed = sum(bool(one.disturbed) for one in compared)
    failed = sum(not one.done for one in compared)
    said = [
        f"{plural(len(compared), 'pair')} of baseline and candidate ran, and {noise} of the baseline with itself."
    ]
    if disturbed:
        said.append(
            f"{plural(disturbed, 'pair')} disturbed; where that was the exception, others ran in their place."
        )
    if failed:
        said.append(f"{plural(failed, 'pair')} failed.")
    if cut_short:
        said.append("The budget was spent before every pair had run.")
    return said
