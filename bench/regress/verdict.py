"""From a session to its verdict: how much noise there is, how many repeats it takes, and what they say."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.compare.judge import judge
from bench.compare.measurement import TrialPairs
from bench.compare.repeats import GROWTH, MOST, next_look, plan_repeats
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Verdict
from bench.regress.comparison import Session
from bench.regress.evidence import Evidence, configurations, noise_elsewhere, shared_out
from bench.regress.pairs import PairedRuns

NOISE_PAIRS = 8
"""Pairs of A against A, over all trials, on which the number of repeats is planned; two a
configuration at least."""

FIRST_PAIRS = 2
"""Pairs that each configuration gets whatever the budget: A B B A."""


@dataclass
class Judging:
    """Runs what it takes for a verdict.

    Attributes:
        session: The comparison, ready to run.
        thresholds: What is judged by.
        say: Is told what the noise asks for, and why it goes on.
    """

    session: Session
    thresholds: Thresholds
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        comparison = self.session.comparison
        self.trials = list(comparison.trials)
        self.groups = configurations(self.trials)
        keys = {trial.key for trial in self.trials}
        folder, name = comparison.folder.parent, comparison.name
        elsewhere = noise_elsewhere(folder, name, comparison.keys[0], keys, self.session.place)
        self.evidence = Evidence(comparison.results, elsewhere)

    def fixed(self, repeats: int) -> Verdict:
        """Run a given number of pairs of each configuration, shared out to its seeds, then judge once.

        Raises:
            InterruptedRun: A signal came; finished pairs are kept.
        """
        self._bring_to_first(repeats)
        self._bring_to(shared_out(dict.fromkeys(self.groups, repeats), self.groups))
        return self._judge(self.thresholds, ())

    def until_clear(self) -> Verdict:
        """Measure the noise, run as many pairs as it asks for, and more until the verdict is clear.

        Raises:
            InterruptedRun: A signal came; finished pairs are kept.
        """
        course = self.session.course
        course.bring_to("aa", self._noise_wanted(), self.trials)
        groups = self.groups
        self._bring_to_first(FIRST_PAIRS)
        thresholds = replace(self.thresholds, looks_planned=True)
        plan = plan_repeats(self._noise(), len(groups), thresholds)
        self.say(str(plan))
        wanted, before = dict.fromkeys(groups, plan.repeats), -1
        while True:
            self._bring_to(shared_out(wanted, groups))
            ran = [one for one in course.pairs if one.kind == "ab"]
            look = self.session.comparison.journal.look(self.session.comparison.keys, len(ran))
            verdict = self._judge(replace(thresholds, look=look), (str(plan),))
            after = next_look(verdict, self._measured())
            more = [key for configuration in after.wanted for key in groups[configuration]]
            spent = course.cut_short and not any(map(course.fits, more))
            spent = spent or len(ran) == before or len(ran) >= MOST * len(groups)
            before = len(ran)
            if after.clear or not after.wanted or spent:
                self.say(
                    f"Look {look}: {after.why}" + ("; the budget is spent." if course.cut_short else ".")
                )
                return verdict
            self.say(f"Look {look}: {after.why}; more repeats.")
            wanted = self._grown(after.wanted, groups)

    def _noise_wanted(self) -> dict[str, int]:
        each = max(2, math.ceil(NOISE_PAIRS / len(self.groups)))
        known: dict[str, int] = {}
        for pair in self.evidence.elsewhere:
            known[pair.baseline.key] = known.get(pair.baseline.key, 0) + 1
        return {key: each - known.get(key, 0) for key, *_ in self.groups.values()}

    def _bring_to_first(self, repeats: int) -> None:
        """Run the first pairs of every configuration, whatever the budget: each is to be in the verdict."""
        first = dict.fromkeys(self.groups, min(FIRST_PAIRS, repeats))
        self._bring_to(shared_out(first, self.groups), within=False)

    def _bring_to(self, wanted: dict[str, int], within: bool = True) -> None:
        self.session.course.bring_to("ab", wanted, self.trials, within)

    def _grown(self, wanted: dict[str, int], groups: dict[str, list[str]]) -> dict[str, int]:
        """More pairs than there are, also where disturbed ones are taken as they are."""
        there = {key: sum(self.session.course.have("ab", trial) for trial in groups[key]) for key in wanted}
        return {key: max(number, math.ceil(GROWTH * there[key])) for key, number in wanted.items()}

    def _measured(self) -> list[TrialPairs]:
        return self.evidence.trials(self.session.course.pairs)

    def _noise(self) -> list[TrialPairs]:
        return self.evidence.noise(self.session.course.pairs)

    def _judge(self, thresholds: Thresholds, notes: Sequence[str]) -> Verdict:
        comparison, pairs = self.session.comparison, self.session.course.pairs
        baseline, candidate = comparison.sides["baseline"], comparison.sides["candidate"]
        return judge(
            self._measured(),
            thresholds,
            noise=self._noise(),
            baseline=baseline.label,
            candidate=candidate.label,
            differences=comparison.differences(),
            notes=[*notes, *_counts(pairs, self.session.course.cut_short)],
        )


def regression(
    session: Session, repeats: int | None, thresholds: Thresholds, say: Callable[[str], None]
) -> Verdict:
    """Run a comparison and judge it.

    Args:
        session: Ready to run.
        repeats: Pairs of each configuration; None: until the verdict is clear.
        thresholds: What is judged by.
        say: Is told how it goes.

    Raises:
        InterruptedRun: A signal came; finished pairs are kept.
    """
    judging = Judging(session, thresholds, say)
    return judging.until_clear() if repeats is None else judging.fixed(repeats)


def _counts(pairs: Sequence[PairedRuns], cut_short: bool) -> list[str]:
    """What was run: sentences for the verdict."""
    compared = [one for one in pairs if one.kind == "ab"]
    noise = len(pairs) - len(compared)
    disturbed = sum(bool(one.disturbed) for one in compared)
    failed = sum(one.status != "done" for one in compared)
    said = [
        f"{len(compared)} pairs of baseline and candidate were run, and {noise} of the baseline with itself."
    ]
    if disturbed:
        said.append(
            f"{disturbed} pairs were disturbed; where that was the exception, others ran in their place."
        )
    if failed:
        said.append(f"{failed} pairs failed.")
    if cut_short:
        said.append("The budget was spent before every pair had run.")
    return said
