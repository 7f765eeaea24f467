"""What an experiment reports while it runs, and what a trained classifier offers afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wbc.evaluation.cost import Cost
    from wbc.evaluation.metrics import Metrics
    from wbc.evaluation.predictions import Predictions, ShuffledComparison
    from wbc.specification import Explaining, Exporting, Specification

PHASES = (
    *("startup", "reference_work", "data", "build", "features", "search", "compile", "train", "evaluate"),
    *("latency", "explain", "save", "export", "profile", "teardown"),
)
"""The phases of an experiment in order. Only transfer learning and classical methods have `features`, and only
a learning rate that is searched has `search`.
`reference_work` comes a second time after `evaluate` and `latency`. `latency`, `explain`,
`save` (of the model), `export` and `profile` are optional."""

APART = frozenset({"reference_work", "latency", "explain", "save", "export", "profile", "teardown"})
"""Phases that are no part of the time to result."""

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What can be written as JSON."""

Figures = dict[str, Json]
"""Named facts of a phase: counts, bytes, seconds."""


@dataclass(frozen=True)
class Block:
    """Consecutive steps of training. Validation and checkpoints between them do not count."""

    start_s: float
    """When the block began, in seconds after training began."""
    first_step: int
    """Steps done before it, since training began."""
    steps: int = 0
    """Steps in the block."""
    images: int = 0
    """Images in those steps."""
    seconds: float = 0.0
    """Duration of the steps, waiting for data included."""
    wait_s: float = 0.0
    """Seconds of waiting for data."""

    @property
    def pace(self) -> float:
        """Seconds per image."""
        return self.seconds / self.images

    def __add__(self, other: "Block") -> "Block":
        """This block and the one that follows it, as one block."""
        return Block(
            self.start_s,
            self.first_step,
            self.steps + other.steps,
            self.images + other.images,
            self.seconds + other.seconds,
            self.wait_s + other.wait_s,
        )

    def to_json(self) -> list[float]:
        """The fields in order, times rounded to a microsecond."""
        return [round(value, 6) for value in astuple(self)]


class Observer(Protocol):
    """Receives events as they happen. It must return quickly, because it runs inside what is timed."""

    def phase_started(self, phase: str) -> None:
        """A phase of `PHASES` begins."""

    def phase_ended(self, phase: str, **figures: Json) -> None:
        """A phase ends. `figures` are its counts, such as images, parameters, and seconds of its parts."""

    def epoch_ended(self, epoch: int, metrics: dict[str, float], validation_s: float, **pace: float) -> None:
        """An epoch ends.

        Args:
            epoch: Number of the epoch, from 1.
            metrics: `loss`, `accuracy`, `validation_loss` and `validation_accuracy`; on request also
                `binary_accuracy` and `validation_binary_accuracy`.
            validation_s: Seconds of the epoch that went into validation.
            **pace: `stage` of training; `steps`, `images`, `steps_s` and `data_wait_s` of the epoch, without
                the first step of a stage. `steps_s` includes `data_wait_s`. On a GPU also `device`, the bytes
                that the backend has in use there.
        """

    def blocks_timed(self, stage: int, blocks: Sequence[Block]) -> None:
        """The steps of a stage of training, as a few hundred consecutive blocks at most."""

    def resumed(self, epoch: int, tag: str) -> None:
        """Training resumes after the first `epoch` epochs, which the attempt named `tag` has done."""

    def checkpointed(self, epoch: int, seconds: float, cpu_s: float) -> None:
        """The state after `epoch` epochs is on disk; writing it took `seconds`, and `cpu_s` of processor time."""

    def pause(self) -> float:
        """Between epochs, batches of predictions or calls that are timed: the experiment may be held for a while.

        Returns:
            Seconds that it was held, which count in none of its times.
        """
        return 0.0

    def heartbeat(self, done: int, total: int) -> None:
        """A phase makes progress: `done` of `total` steps or batches."""

    def predicted(self, predictions: "Predictions") -> None:
        """The test images are predicted."""

    def shuffled(self, comparison: "ShuffledComparison") -> None:
        """The predictions in the order of a shuffling generator."""

    def evaluated(self, metrics: "Metrics", evaluations: "dict[str, Metrics]") -> None:
        """The test metrics (`wbc.evaluation.metrics.score`), and those of every evaluation."""

    def externally_evaluated(self, predictions: "Predictions", metrics: "Metrics") -> None:
        """The images of an external test are predicted and scored, aligned with their files."""

    def trained(self, trained: "Trained", about: Figures) -> None:
        """The trained classifier, if it is to be saved; after the evaluation.

        `about` describes its input: `network`, `mode`, `preprocessing`, `image_size`, `classes`,
        how its files are read (`reading`), and what tells images that are not like its own (`likeness`).
        """

    def finished(self, trained: "Trained") -> None:
        """Everything timed is over; the trained classifier still answers questions."""


RAW = "raw pixels"
"""What a kept model takes: uint8 images of any size."""


class Trained(Protocol):
    """A classifier after its training."""

    def predict(self, split: str, observer: Observer) -> "NDArray[np.floating[Any]]":
        """Probabilities for every image of a split, in file order; shape (images, classes)."""

    @property
    def examples(self) -> "NDArray[np.uint8]":
        """A few test images, uint8 pixels of shape (n, height, width, 3); none where `latency` is not asked for."""

    def answer(self, images: "NDArray[np.uint8]") -> "NDArray[np.floating[Any]]":
        """Probabilities of so many images at once, as whoever uses the classifier would ask. Needs `latency`."""

    def cost(self) -> "Cost":
        """The cost to store and use it. Call it after a prediction, which is timed."""

    def save(self, path: Path, fit: str) -> Figures:
        """Write the model to a file, which appears whole or not at all. Needs `save_model`.

        Args:
            path: The file.
            fit: How images that are not square become square, one of `wbc.data.reading.FITS`.

        Returns:
            `input` and `output`, each with `shape` (-1 where any number will do) and `dtype`; `takes`: `RAW`,
            or scaled pixels and why.

        Raises:
            InputError: It cannot be written.
        """

    def last_features(self, split: str, rows: "NDArray[np.intp]") -> "NDArray[np.float64]":
        """What enters the last layer for some images of a split; shape (len(rows), features). Needs a network."""

    def export(
        self,
        settings: "Exporting",
        calibration: "NDArray[np.uint8]",
        test: "NDArray[np.uint8]",
        labels: "NDArray[np.int64]",
    ) -> Figures:
        """Export it to other formats and ask what was exported; see `wbc.training.export.export`.

        Args:
            settings: The formats.
            calibration: Training images.
            test: All test images.
            labels: Their classes.

        Raises:
            InputError: It is no network, or its scaling of pixels is no layer.
        """

    def explain(
        self, settings: "Explaining", pixels: "NDArray[np.uint8]", files: list[str], predicted: list[int]
    ) -> Figures:
        """Write pictures of what it looks at in some test images, and their number as `images`.

        Raises:
            InputError: It has no maps, or the backend no gradients of them.
        """

    def profile(self, specification: "Specification") -> Figures:
        """Trace more training steps, as `specification.profile` says. It cannot predict afterwards.

        Returns:
            See `wbc.profiling.summary.summarize`, and `trace`, the file within the folder. Without a trace:
            `unavailable`, the reason.
        """

    def memory(self) -> Figures:
        """The memory that a training step took, in bytes. This may take seconds.

        Returns:
            See `wbc.memory.Footprint.figures`.
        """


@contextmanager
def phase(observer: Observer, name: str) -> Iterator[Figures]:
    """Report the start and the end of a phase; the yielded dict takes its figures.

    A phase that is left by an error does not end.
    """
    observer.phase_started(name)
    figures: Figures = {}
    yield figures
    observer.phase_ended(name, **figures)
