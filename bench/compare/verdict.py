"""The verdict, as plain values that every output is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bench.errors import ExitCode
from bench.trials.measured import Never


class Speed(StrEnum):
    """The verdict on a trial's times."""

    FASTER = "faster"
    SAME = "same"
    SLOWER = "slower"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"


class Memory(StrEnum):
    """The verdict on how much memory a trial takes."""

    SMALLER = "smaller"
    SAME = "same"
    LARGER = "larger"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"


class Learning(StrEnum):
    """The verdict on what a trial learned."""

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
    """The verdict on a time, a throughput or a memory of a trial."""

    metric: str
    """A name in `bench.compare.metrics.METRICS`."""
    verdict: Speed | Memory
    baseline: float
    """Median of the baseline's values, in the metric's unit."""
    candidate: float
    """Median of the candidate's values."""
    ratio: float
    """Candidate / baseline over the pairs; 1.1 is 10 % more."""
    low: float | None
    """Lower bound of the ratio's 95 % confidence sequence, which holds at every look at once; None where so few
    pairs leave it open."""
    high: float | None
    """Upper bound."""
    spread: float | None
    """Standard deviation of the log ratio from pair to pair: the noise; None with one pair."""
    evidence: float
    """The highest evidence of this metric for a change in either direction; 1 is none."""
    bar: float
    """Evidence that shows a change in that direction."""
    ratios: tuple[float, ...]
    """Of every pair that counted."""
    note: str = ""
    """Why it is inconclusive."""


@dataclass(frozen=True)
class DifferenceVerdict:
    """The verdict on the accuracy or the loss of a trial."""

    metric: str
    """`accuracy` (shares of 1) or `loss` (nats)."""
    verdict: Learning
    baseline: float
    """Mean of the baseline's values."""
    candidate: float
    """Mean of the candidate's values."""
    difference: float
    """Candidate less baseline."""
    low: float | None
    """Lower bound of the difference's 95 % interval; None where nothing is known of how training varies."""
    high: float | None
    """Upper bound."""
    bar: float | None
    """A difference of at least this size is called worse or better; None where nothing was tested."""
    pairs: tuple[float, ...]
    """The difference of every pair of trained networks."""
    note: str = ""
    """Why it is inconclusive, and what it would take."""


@dataclass(frozen=True)
class PhaseChange:
    """A part of the time to result: means over the pairs, in seconds."""

    phase: str
    """Name of a phase of a record, or of a part of one."""
    means: str
    """What happens in it."""
    baseline_s: float
    candidate_s: float
    clear: bool = False
    """Whether the difference is shown, and so worth naming."""

    @property
    def difference_s(self) -> float:
        """Seconds that the candidate takes longer."""
        return self.candidate_s - self.baseline_s


@dataclass(frozen=True)
class AccuracyTimeChange:
    """Times of both sides to the same validation accuracy, from which on it is never below it.

    Times are medians over the pairs; seconds, or `never`.
    """

    of_best: float
    """The target: a share of the best validation accuracy of each pair's baseline."""
    baseline: float | Never
    candidate: float | Never
    baseline_reached: int
    """Pairs in which the baseline got there and stayed."""
    candidate_reached: int
    ratio: float | Never
    """Median of candidate / baseline over the pairs in which either side got there: 0 where only the candidate
    did, `never` where only the baseline did, or neither in any pair."""
    low: float | Never | None
    """Bounds of an interval of the median ratio by ranks; None with a single pair."""
    high: float | Never | None
    coverage: float | None
    """Of the interval: 0.95 from six pairs on, less for fewer."""
    pairs: int


@dataclass(frozen=True)
class OperationChange:
    """An operation of the training step: medians over the pairs with traces, in milliseconds of its own in a step."""

    operation: str
    """As the profiler names it."""
    baseline_ms: float
    candidate_ms: float
    ratio: float
    """Candidate / baseline over the pairs."""
    up: int
    """Pairs in which it took longer."""
    pairs: int
    clear: bool
    """Whether the change is shown, and so worth naming."""

    @property
    def difference_ms(self) -> float:
        """Milliseconds that a step of the candidate spends more in it."""
        return self.candidate_ms - self.baseline_ms


@dataclass(frozen=True)
class EpochChange:
    """Keras' metrics on both sides after the same epoch: means over the pairs."""

    epoch: int
    baseline: dict[str, float]
    candidate: dict[str, float]


@dataclass(frozen=True)
class TrialVerdict:
    """The verdict on one configuration."""

    key: str
    """See `bench.compare.measurement.TrialPairs`."""
    label: str
    status: Status
    """`failed` also where only some of its seeds newly fail."""
    speed: Speed | None = None
    """The worst of its times; None without pairs."""
    memory: Memory | None = None
    """Of its peak memory; None where that is not known."""
    learning: Learning | None = None
    """Of accuracy and loss; None without pairs."""
    regression: bool = False
    """Whether this trial makes the exit code 1."""
    reason: str = ""
    """One sentence: what decided, or why it could not be judged."""
    metrics: tuple[MetricVerdict, ...] = ()
    """Times and memory."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """`slower`, `faster`, `larger`, `smaller` -> the highest evidence for it: the weighted mean over the metrics."""
    differences: tuple[DifferenceVerdict, ...] = ()
    """Accuracy and loss."""
    phases: tuple[PhaseChange, ...] = ()
    """Where the time went."""
    operations: tuple[OperationChange, ...] = ()
    """Of the training step, where both sides were traced."""
    accuracy_times: tuple[AccuracyTimeChange, ...] = ()
    """Time to an accuracy."""
    curves: tuple[EpochChange, ...] = ()
    """Keras' metrics at equal epochs."""
    pairs: int = 0
    disturbed: int = 0
    """Pairs among them that were disturbed."""
    failed: int = 0
    """Failed attempts of the candidate beside those that are done."""
    images: int = 0
    """Test images."""
    sources: int = 0
    """Sources of the test images."""
    notes: tuple[str, ...] = ()
    """What else a reader should know."""

    @property
    def compared(self) -> bool:
        """Whether anything of both sides could be compared: speed, memory or learning."""
        return self.status is Status.JUDGED and not (
            self.speed is Speed.NOT_COMPARABLE and self.learning is Learning.NOT_COMPARABLE
        )

    @property
    def inconclusive(self) -> bool:
        """Whether more pairs could still decide something."""
        return (
            self.speed is Speed.INCONCLUSIVE
            or self.memory is Memory.INCONCLUSIVE
            or self.learning is Learning.INCONCLUSIVE
        )


@dataclass(frozen=True)
class Change:
    """Something that differs between the sides: the version of a package, the kernel, the source of `wbc`."""

    name: str
    baseline: str
    candidate: str


@dataclass(frozen=True)
class Verdict:
    """Everything that a comparison found."""

    baseline: str
    """Name of the old side."""
    candidate: str
    """Name of the new side."""
    trials: tuple[TrialVerdict, ...]
    """One for each configuration."""
    changes: tuple[Change, ...] = ()
    """What differs between the sides."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """What it was judged by, as plain values."""
    detectable: dict[str, float] = field(default_factory=dict)
    """Metric -> the smallest change, as a share, that so many pairs find in nine of ten runs."""
    notes: tuple[str, ...] = ()
    """Of the whole comparison: pairs that ran, how the noise was measured."""

    @property
    def regressions(self) -> tuple[TrialVerdict, ...]:
        """Trials that are slower, larger, worse or newly failing."""
        return tuple(trial for trial in self.trials if trial.regression)

    @property
    def compared(self) -> tuple[TrialVerdict, ...]:
        """Trials of which anything could be judged."""
        return tuple(trial for trial in self.trials if trial.compared)

    @property
    def exit_code(self) -> ExitCode:
        """1: a regression; 3: trials failed that failed before, too; 4: not enough evidence, or none; else 0."""
        if self.regressions:
            return ExitCode.REGRESSION
        if not self.compared:
            return ExitCode.NOT_ENOUGH_EVIDENCE
        if any(trial.status is Status.FAILED for trial in self.trials):
            return ExitCode.TRIALS_FAILED
        if any(trial.inconclusive for trial in self.compared):
            return ExitCode.NOT_ENOUGH_EVIDENCE
        return ExitCode.OK
