"""What is compared: measurements of one trial on two sides, in pairs."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import InputError

COLUMNS = ["file", "source", "true", "predicted"]
"""First columns of `predictions.csv` (`wbc.evaluation.predictions`); the others are probabilities."""


@dataclass(frozen=True)
class Images:
    """What one trained network said of each test image.

    Attributes:
        files: Path of each image below the data folder.
        sources: The source cell of each.
        truth: Name of its class.
        right: Whether it was predicted right; boolean array of shape (n,).
        losses: Cross-entropy of each in nats; shape (n,).
        content: All rows as read, to tell predictions that are the same to the bit.
    """

    files: tuple[str, ...]
    sources: tuple[str, ...]
    truth: tuple[str, ...]
    right: np.ndarray
    losses: np.ndarray
    content: tuple[tuple[str, ...], ...] = field(repr=False)


@dataclass(frozen=True)
class Measurement:
    """One attempt at a trial.

    Attributes:
        key: The trial's key: by it both sides are matched.
        label: The trial's readable name, without the hash.
        record: As in `result.json`.
        predictions: `predictions.csv`; None if there is none.
        epochs: Metrics after each epoch, from the journal; empty if there is none.
    """

    key: str
    label: str
    record: dict[str, Any] = field(repr=False)
    predictions: Path | None = None
    epochs: tuple[dict[str, float], ...] = field(default=(), repr=False)

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.record["status"] == "done"

    @property
    def settings(self) -> dict[str, Any]:
        """What the user asked for."""
        return self.record["trial"]["settings"]

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Why its times say little; empty if nothing was seen."""
        return tuple(self.record.get("disturbed") or ())

    @property
    def when(self) -> str:
        """Start, UTC in ISO 8601; empty if unknown."""
        return self.record.get("started_at") or ""

    @cached_property
    def images(self) -> Images | None:
        """Its predictions; None if there are none.

        Raises:
            InputError: The file is damaged.
        """
        return None if self.predictions is None else read_images(self.predictions)


@dataclass(frozen=True)
class Pair:
    """A measurement of each side, taken close to each other.

    Attributes:
        baseline: The old side.
        candidate: The new side.
    """

    baseline: Measurement
    candidate: Measurement

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Why its times say little; empty if nothing was seen on either side."""
        return tuple(dict.fromkeys((*self.baseline.disturbed, *self.candidate.disturbed)))


@dataclass(frozen=True)
class TrialPairs:
    """All pairs of one configuration; seeds and splits of it are pairs like repeats.

    Attributes:
        key: Of the configuration: the trial's settings without `REPEATS`, hashed.
        label: Its readable name, without the seed.
        settings: The settings of one of its trials.
        pairs: Every baseline measurement that is done with its candidate.
        baseline_only: Measurements that are done and found no partner, and those that are not done.
        candidate_only: Likewise.
        not_comparable: Why neither speed nor learning can be compared; empty if they can.
        speed_not_comparable: Why times cannot be compared, though learning can.
        notes: What a reader should know: what differs from the nearest trial of the other side, say.
    """

    key: str
    label: str
    settings: dict[str, Any] = field(repr=False)
    pairs: tuple[Pair, ...]
    baseline_only: tuple[Measurement, ...] = ()
    candidate_only: tuple[Measurement, ...] = ()
    not_comparable: str = ""
    speed_not_comparable: str = ""
    notes: tuple[str, ...] = ()

    @property
    def undisturbed(self) -> tuple[Pair, ...]:
        """Pairs whose times count."""
        return tuple(pair for pair in self.pairs if not pair.disturbed)

    def with_pairs(self, pairs: Sequence[Pair]) -> "TrialPairs":
        """The same configuration with other pairs."""
        return replace(self, pairs=tuple(pairs))


def read_images(path: Path) -> Images:
    """Read `predictions.csv`.

    Raises:
        InputError: It is not there or damaged.
    """
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        if header[:4] != COLUMNS or not rows:
            raise ValueError(f"it begins with {','.join(header[:4])!r} and has {len(rows)} rows")
        classes = [name.removeprefix("p_") for name in header[4:]]
        true = []
        for row in rows:
            shares = dict(zip(classes, map(float, row[4:]), strict=True))
            if not all(0 <= share < 1.001 for share in shares.values()) or shares[row[3]] < max(
                shares.values()
            ):
                raise ValueError(f"the probabilities of {row[0]} are not those of what it was taken for")
            true.append(shares[row[2]])
    except (OSError, ValueError, LookupError) as error:
        raise InputError(f"{path} cannot be read: {error}", "It is made when a trial is evaluated.") from None
    return Images(
        files=tuple(row[0] for row in rows),
        sources=tuple(row[1] for row in rows),
        truth=tuple(row[2] for row in rows),
        right=np.array([row[2] == row[3] for row in rows], bool),
        losses=-np.log(np.maximum(np.array(true, float), 1e-12)),
        content=tuple(map(tuple, rows)),
    )
