"""When to stop, and which configuration gets the next pair until then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.compare.counted_pairs import metric_values
from bench.compare.measurement import TrialPairs
from bench.compare.speed import Standing, standing
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Learning, Memory, Speed, Status, TrialVerdict, Verdict
from bench.regress.schedule import PairSchedule
from bench.trials.trial import Trial

SUSPECTED = 1.1
"""Evidence from which on a trial is suspected of a regression, and gets the next pair before all others. A single
pair can suffice: it is cheap to find out. With 1.4 a tenth fewer of simulated regressions were found in 15 minutes."""

GROWTH = 1.5
"""By this factor all pairs together grow until learning is looked at again. Times are looked at after each pair."""


@dataclass(frozen=True)
class Next:
    """What to do after a look at the verdict."""

    helped: Mapping[str, bool]
    """Key of a configuration that more pairs can make clear -> whether its learning is open; empty to stop."""
    why: str
    """One clause."""


@dataclass(frozen=True)
class Contender:
    """A configuration that the next pair may go to."""

    key: str
    speed: Standing | None
    memory: Standing | None
    learning_open: bool
    """Whether it needs more trainings."""

    @property
    def _known(self) -> list[Standing]:
        return [one for one in (self.speed, self.memory) if one is not None]

    @property
    def open(self) -> bool:
        """Whether more pairs may decide something."""
        return self.learning_open or not all(one.decided for one in self._known)

    @property
    def suspected(self) -> list[Standing]:
        """Where it may have changed for the worse."""
        return [one for one in self._known if not one.decided and one.suspicion >= SUSPECTED]

    @property
    def change(self) -> float:
        """The largest change for the worse among those that are suspected; see `Standing.change`."""
        return max((one.change for one in self.suspected), default=0.0)

    @property
    def nearness(self) -> float:
        """How near any of its open questions is to an answer."""
        return max((one.nearness for one in self._known if not one.decided), default=0.0)


def chosen(contenders: Sequence[Contender]) -> Contender | None:
    """The configuration that gets the next pair; None where nothing is open.

    Suspected regressions come first, because one of them decides the exit code: the one that changed most. Then what
    is nearest to a verdict, whichever that is. By evidence instead of change, a slow trial waited until those with
    luck in their first pairs had used it up.
    """
    able = [one for one in contenders if one.open]
    suspects = [one for one in able if one.suspected]
    if suspects:
        return max(suspects, key=lambda one: one.change)
    return max(able, key=lambda one: one.nearness) if able else None


def next_look(verdict: Verdict) -> Next:
    """What more pairs can make clear; nothing where the verdict is clear.

    Args:
        verdict: Of this look.
    """
    if verdict.regressions:
        return Next({}, "a regression is shown")
    unclear = {one.key: one for one in verdict.trials if one.status is Status.JUDGED and one.inconclusive}
    if not unclear:
        return Next({}, "every trial is clear")
    helped = {
        key: one.learning is Learning.INCONCLUSIVE and _trains_anew(one)
        for key, one in unclear.items()
        if _more_pairs_help(one)
    }
    if not helped:
        return Next(
            {},
            f"learning of {len(unclear)} trials stays inconclusive, because more pairs of the same seeds are the "
            "same training: give [suite] more seeds, or more test images",
        )
    return Next(helped, f"{len(unclear)} trials are inconclusive")


def after_look(verdict: Verdict, schedule: PairSchedule, seen: int) -> Next:
    """As `next_look`, within the budget and what can still run.

    Args:
        verdict: Of this look.
        schedule: What ran.
        seen: Pairs of baseline and candidate at the look before this one.
    """
    after = next_look(verdict)
    able = {key: learning for key, learning in after.helped.items() if schedule.next_of(key) is not None}
    if schedule.count("ab") == seen:
        return replace(after, helped={})
    return replace(after, helped=able)


def next_trial(
    trials: Sequence[TrialPairs],
    helped: Mapping[str, bool],
    schedule: PairSchedule,
    thresholds: Thresholds,
    suspects_only: bool = False,
) -> Trial | None:
    """The trial that gets the next pair; None where it is time to judge again.

    Args:
        trials: All configurations, with their pairs so far.
        helped: See `Next.helped`.
        schedule: What ran.
        thresholds: What they will be judged by.
        suspects_only: Only a suspected regression gets one.
    """
    values = {trial.key: metric_values(trial) for trial in trials if trial.pairs}
    contenders = [
        Contender(
            key,
            standing(own, "speed", thresholds, len(values)),
            standing(own, "memory", thresholds, len(values)),
            helped.get(key, False),
        )
        for key, own in values.items()
    ]
    if any(one.worst >= one.bar for each in contenders for one in (each.speed, each.memory) if one):
        return None
    able = {
        one.key: trial for one in contenders if one.key in helped and (trial := schedule.next_of(one.key))
    }
    found = chosen([one for one in contenders if one.key in able])
    return None if found is None or (suspects_only and not found.suspected) else able[found.key]


def _more_pairs_help(trial: TrialVerdict) -> bool:
    """Whether more pairs can make a trial clear.

    Times and memory can always become clear. Learning can if every pair trained its own networks.
    """
    return trial.speed is Speed.INCONCLUSIVE or trial.memory is Memory.INCONCLUSIVE or _trains_anew(trial)


def _trains_anew(trial: TrialVerdict) -> bool:
    """Whether every pair trained its own networks: deterministic pairs of the same seed are one training."""
    return bool(trial.differences) and len(trial.differences[0].pairs) == trial.pairs
