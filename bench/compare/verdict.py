"""The verdict, as plain values that every output is made from."""

from dataclasses import dataclass, field
from enum import StrEnum

from bench.errors import ExitCode


class Speed(StrEnum):
    """What is said of a trial's times."""

    FASTER = "faster"
    SAME = "same"
    SLOWER = "slower"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"


class Learning(StrEnum):
    """What is said of what a trial learnt."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"


class Status(StrEnum):
    """Whether a trial could be judged."""

    JUDGED = "judged"
    FAILED = "failed"
    NEW = "new"
    GONE = "gone"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class MetricVerdict:
    """One figure of a trial.

    Attributes:
        metric: Name in `bench.compare.metrics.METRICS`.
        verdict: What the pairs say.
        baseline: Median of the baseline's values, in the metric's unit.
        candidate: Median of the candidate's.
        ratio: Candidate / baseline over the pairs; 1.1 is 10 % more.
        low: Lower bound of its 95 % interval; None from a single pair.
        high: Upper bound.
        p: Two-sided, against a ratio of 1, not corrected; None from fewer than two pairs.
        adjusted_p: After Holm's correction over all trials and metrics.
        method: How the interval was found and what tested it.
        ratios: Of every pair that counted.
        note: Why it is inconclusive.
    """

    metric: str
    verdict: Speed
    baseline: float
    candidate: float
    ratio: float
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    method: str
    ratios: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True)
class DifferenceVerdict:
    """Accuracy or loss of a trial: candidate less baseline.

    Attributes:
        figure: `accuracy` (shares of 1) or `loss` (nats).
        verdict: What the images and the pairs say.
        baseline: Mean of the baseline's.
        candidate: Mean of the candidate's.
        difference: Candidate less baseline.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        p: Two-sided, against no difference; not corrected.
        adjusted_p: After Holm's correction over all trials and both figures.
        method: What tested it.
        pairs: Differences of every pair of trained networks.
        note: Why it is inconclusive and what it would take.
    """

    figure: str
    verdict: Learning
    baseline: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    method: str
    pairs: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True)
class PhaseChange:
    """A part of the time to the result, means over the pairs, in seconds.

    Attributes:
        phase: Its name in a record, or of a part of one.
        means: What happens in it.
        baseline_s: On the baseline's side.
        candidate_s: On the candidate's.
        error_s: Standard error of the difference; None from a single pair.
    """

    phase: str
    means: str
    baseline_s: float
    candidate_s: float
    error_s: float | None = None

    @property
    def difference_s(self) -> float:
        """Seconds that the candidate takes longer."""
        return self.candidate_s - self.baseline_s

    @property
    def clear(self) -> bool:
        """Whether the difference is more than twice its error: to be named as where the time went."""
        return self.error_s is not None and abs(self.difference_s) > 2 * self.error_s


@dataclass(frozen=True)
class EpochChange:
    """Losses of both sides after the same epoch, means over the pairs."""

    epoch: int
    baseline: dict[str, float]
    candidate: dict[str, float]


@dataclass(frozen=True)
class TrialVerdict:
    """What is said of one configuration.

    Attributes:
        key: See `TrialPairs`.
        label: Likewise.
        status: Whether it could be judged; failed as well where some of its seeds newly fail.
        speed: Worst of its metrics; None where no pair is there.
        learning: Of accuracy and loss; likewise.
        regression: Whether this trial makes the exit code 1.
        reason: One sentence: what decided, or why it could not be judged.
        metrics: Times and memory.
        differences: Accuracy and loss.
        phases: Where the time went.
        curves: Losses at equal epochs.
        pairs: How many pairs there are.
        disturbed: How many of them were disturbed.
        failed: Failed attempts of the candidate beside those that are done.
        images: Test images.
        sources: Source cells that they show.
        notes: What else a reader should know.
    """

    key: str
    label: str
    status: Status
    speed: Speed | None = None
    learning: Learning | None = None
    regression: bool = False
    reason: str = ""
    metrics: tuple[MetricVerdict, ...] = ()
    differences: tuple[DifferenceVerdict, ...] = ()
    phases: tuple[PhaseChange, ...] = ()
    curves: tuple[EpochChange, ...] = ()
    pairs: int = 0
    disturbed: int = 0
    failed: int = 0
    images: int = 0
    sources: int = 0
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        """Whether anything of both sides stood against each other: times, or what was learnt."""
        return self.status is Status.JUDGED and not (
            self.speed is Speed.NOT_COMPARABLE and self.learning is Learning.NOT_COMPARABLE
        )

    @property
    def inconclusive(self) -> bool:
        """Whether more measuring could still say something."""
        return Speed.INCONCLUSIVE in (self.speed,) or Learning.INCONCLUSIVE in (self.learning,)


@dataclass(frozen=True)
class Change:
    """Something that differs between the sides: a package's version, the kernel, the source of wbc."""

    name: str
    baseline: str
    candidate: str


@dataclass(frozen=True)
class Verdict:
    """Everything that a comparison found.

    Attributes:
        baseline: Name of the old side.
        candidate: Name of the new side.
        trials: A verdict a configuration.
        changes: What differs between the sides.
        thresholds: What it was judged by, as plain values.
        detectable: Metric -> smallest change (share) that these repeats find in nine of ten runs.
        notes: Of the whole: how noise was measured, pairs run again.
    """

    baseline: str
    candidate: str
    trials: tuple[TrialVerdict, ...]
    changes: tuple[Change, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    detectable: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def regressions(self) -> tuple[TrialVerdict, ...]:
        """Trials that are slower, worse or newly failing."""
        return tuple(trial for trial in self.trials if trial.regression)

    @property
    def exit_code(self) -> ExitCode:
        """1 for a regression, 3 for failed trials that were not done before, 4 without evidence, else 0."""
        if self.regressions:
            return ExitCode.REGRESSION
        if any(trial.status is Status.FAILED for trial in self.trials):
            return ExitCode.TRIALS_FAILED
        compared = [trial for trial in self.trials if trial.compared]
        if not compared or any(trial.inconclusive for trial in compared):
            return ExitCode.NOT_ENOUGH_EVIDENCE
        return ExitCode.OK
