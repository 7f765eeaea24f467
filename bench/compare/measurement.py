"""What is compared: attempts at the same trial on two sides, in pairs."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import InputError
from bench.records.accuracy_time import Moment
from bench.records.disturbance import from_outside
from bench.trials.record import Record
from bench.trials.settings import Settings
from wbc.evaluation.predictions import read_rows


@dataclass(frozen=True)
class Images:
    """What one trained network predicted for each test image."""

    files: tuple[str, ...]
    """Path of each image below the data folder."""
    sources: tuple[str, ...]
    """The source of each."""
    truth: tuple[str, ...]
    """Its class."""
    right: NDArray[np.bool_]
    """Whether the prediction is right; shape (n,)."""
    losses: NDArray[np.float64]
    """Cross-entropy of each in nats; shape (n,)."""
    content: tuple[tuple[str, ...], ...] = field(repr=False)
    """All rows as read, to tell predictions that are identical to the bit."""


@dataclass(frozen=True)
class Epoch:
    """Keras' metrics after an epoch."""

    number: int
    """From 1."""
    metrics: dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """One attempt at a trial that is over."""

    record: Record = field(repr=False)
    predictions: Path | None = None
    """`predictions.csv`; None if there is none."""
    epochs: tuple[Epoch, ...] = field(default=(), repr=False)
    """From the journal; empty if there is none."""
    moments: tuple[Moment, ...] = field(default=(), repr=False)
    """The ends of the epochs, for times to an accuracy; empty where it did not come to its end."""

    @property
    def key(self) -> str:
        """The trial's key, by which the sides are matched."""
        return self.record.trial.key

    @property
    def settings(self) -> Settings:
        """What the user asked for."""
        return self.record.trial.settings

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.record.done

    @property
    def failed(self) -> bool:
        """Whether it failed; an interrupted attempt did not."""
        return self.record.status == "failed"

    @cached_property
    def images(self) -> Images | None:
        """Its predictions; None if there are none, or they are damaged."""
        return self._read[0]

    @property
    def damage(self) -> str:
        """What is wrong with its predictions; empty where nothing is, or there are none."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Images | None, str]:
        if self.predictions is None:
            return None, ""
        try:
            return read_images(self.predictions), ""
        except InputError as error:
            return None, error.what


@dataclass(frozen=True)
class Pair:
    """A measurement of each side, taken close to each other."""

    baseline: Measurement
    candidate: Measurement

    @property
    def sides(self) -> tuple[Measurement, Measurement]:
        """Both, the baseline's first."""
        return self.baseline, self.candidate

    @property
    def disturbed(self) -> tuple[str, ...]:
        """What disturbed a side from outside; empty if nothing did."""
        reasons = (*self.baseline.record.disturbed, *self.candidate.record.disturbed)
        return tuple(dict.fromkeys(from_outside(reasons)))

    @property
    def resumed(self) -> bool:
        """Whether a side was interrupted and resumed, so that its times are sums."""
        return any(side.record.resumed is not None for side in self.sides)


@dataclass(frozen=True)
class TrialPairs:
    """All pairs of one configuration; its seeds and splits are pairs like any other."""

    key: str
    """See `bench.trials.settings.Settings.configuration_key`."""
    label: str
    """Readable name, without the seed."""
    settings: Settings = field(repr=False)
    """Of one of its trials."""
    pairs: tuple[Pair, ...]
    """Every baseline measurement that is done, with its candidate."""
    baseline_only: tuple[Measurement, ...] = ()
    """Measurements that are done and have no partner, and those that are not done."""
    candidate_only: tuple[Measurement, ...] = ()
    """Likewise."""
    not_comparable: str = ""
    """Why neither speed nor learning can be compared; empty if they can."""
    speed_not_comparable: str = ""
    """Why times cannot be compared, though learning can."""
    notes: tuple[str, ...] = ()
    """What else a reader should know: what differs from the nearest trial of the other side, for example."""

    @property
    def undisturbed(self) -> tuple[Pair, ...]:
        """Pairs without a disturbance."""
        return tuple(pair for pair in self.pairs if not pair.disturbed)


def read_images(path: Path) -> Images:
    """Read `predictions.csv`.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        classes, rows = read_rows(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{path} cannot be read: {reason}", "Evaluating the trial again writes it."
        ) from None
    true = [float(row[4 + classes.index(row[2])]) for row in rows]
    return Images(
        files=tuple(row[0] for row in rows),
        sources=tuple(row[1] for row in rows),
        truth=tuple(row[2] for row in rows),
        right=np.array([row[2] == row[3] for row in rows], bool),
        losses=-np.log(np.maximum(np.array(true), 1e-12)),
        content=tuple(map(tuple, rows)),
    )
