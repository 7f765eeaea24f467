"""What an experiment tells whoever watches it."""

from contextlib import contextmanager
from typing import Protocol

PHASES = (
    *("startup", "canary", "data", "build", "features", "compile", "train", "evaluate", "save"),
    *("profile", "teardown"),
)
"""The phases of an experiment in their order. `features` belongs to transfer learning and classical methods;
`canary` comes a second time after `evaluate`; `save` (of the model) and `profile` are there where they are
asked for."""

APART = frozenset({"canary", "save", "profile", "teardown"})
"""Phases that nobody who wants the result would wait for."""


class Observer(Protocol):
    """Receives what happens, when it happens; must return quickly, for it runs inside what is timed."""

    def phase_started(self, phase: str) -> None:
        """A phase of `PHASES` begins."""

    def phase_ended(self, phase: str, **figures) -> None:
        """A phase ends; `figures` are counts that belong to it (images, parameters, seconds within)."""

    def epoch_ended(self, epoch: int, metrics: dict[str, float], validation_s: float, **pace: float) -> None:
        """An epoch (counted from 1) is over, `validation_s` seconds of it in validation.

        `pace` is how its steps went: the `stage` of training, `steps` and `images` (without the first step of
        a stage), `steps_s` and `data_wait_s`, which is part of them.

        The metrics are `loss`, `accuracy`, `validation_loss` and `validation_accuracy`;
        `binary_accuracy` and `validation_binary_accuracy` where the experiment asks for them.
        """

    def blocks_timed(self, stage: int, blocks: list[list[float]]) -> None:
        """The steps of a stage, in at most some hundred blocks that follow one another.

        A block is `start_s` (after training began), `first_step` (steps done before), `steps`, `images`,
        `seconds` and `wait_s` (seconds that were waited for data): `wbc.training.blocks.Block`.
        """

    def resumed(self, epoch: int, tag: str) -> None:
        """Training goes on after `epoch` epochs that the attempt named by `tag` did."""

    def checkpointed(self, epoch: int, seconds: float) -> None:
        """The state after `epoch` epochs is on the disk; writing it took `seconds`."""

    def heartbeat(self, done: int, total: int) -> None:
        """Work goes on inside a phase: `done` of `total` steps or batches."""

    def predicted(self, predictions) -> None:
        """The test images are predicted (`wbc.evaluation.predictions.Predictions`)."""

    def shuffled(self, comparison) -> None:
        """The predictions in a generator's order (`wbc.evaluation.predictions.ShuffledComparison`)."""

    def evaluated(self, metrics: dict, evaluations: dict[str, dict]) -> None:
        """The metrics of the test part (`wbc.evaluation.metrics.score`), and of every evaluation."""

    def trained(self, trained, about: dict) -> None:
        """The trained classifier (`wbc.experiment.Trained`), where it is to be kept; after the evaluation.

        `about` says what its input means: `network`, `mode`, `preprocessing`, `image_size`, `classes`.
        """

    def finished(self, trained) -> None:
        """All that is timed is over; what was trained (`wbc.experiment.Trained`) may still be asked."""


@contextmanager
def phase(observer: Observer, name: str):
    """Tell the observer when a phase starts and ends; fill the yielded dict with the phase's figures.

    A phase that an error leaves has not ended.
    """
    observer.phase_started(name)
    figures: dict = {}
    yield figures
    observer.phase_ended(name, **figures)
