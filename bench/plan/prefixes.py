"""Which trials go on with the training of another: `share_prefix` of a suite."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import msgspec

from bench.trials.settings import digest_of
from bench.trials.trial import Trial

ONE_STAGE = frozenset({"transfer", "scratch"})
"""Modes whose training depends only on the epochs before, not on how many follow."""


def successors(trials: Iterable[Trial]) -> dict[str, str]:
    """The id of a trial -> that of the trial which goes on from its last epoch: the same but for more epochs.

    Of three trials with 10, 20 and 50 epochs the second follows the first, and the third the second.
    """
    alike: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.settings.mode in ONE_STAGE:
            rest = msgspec.structs.replace(trial.settings, epochs=0)
            alike[digest_of([rest.key, msgspec.to_builtins(trial.runtime)])].append(trial)
    following: dict[str, str] = {}
    for group in alike.values():
        ordered = sorted(group, key=lambda trial: trial.epochs)
        following |= {first.id: second.id for first, second in pairwise(ordered)}
    return following
