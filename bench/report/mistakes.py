"""Misclassified test images, with pictures where the data set still has them."""

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import DamagedAttempt
from bench.journal.results import Attempt
from bench.worker.protocol import EXPLAINED_FOLDER
from wbc.data.manifest import Manifest
from wbc.evaluation.predictions import Predictions
from wbc.specification import picture_of

SIDE = 84
"""Longest side of a picture, in pixels."""


@dataclass(frozen=True)
class Mistake:
    """One image that a configuration misclassified."""

    file: str
    """Its path in the data set."""
    true: str
    """Its class."""
    shares: list[tuple[str, float]]
    """Classes with their probabilities, the largest first."""
    picture: str | None
    """A small JPEG as a data URI; None where the image is gone, or is not the same any more."""
    seen: str | None = None
    """The same with where the network looked, if that was asked for."""


@dataclass(frozen=True)
class HardImage:
    """One image that several configurations misclassified."""

    file: str
    """Its path in the data set."""
    true: str
    """Its class."""
    wrong: int
    """Configurations that misclassified it."""
    of: int
    """Configurations that classified it."""
    taken_for: list[tuple[str, int]]
    """Predicted classes with their counts, the most frequent first."""
    picture: str | None
    """As in `Mistake`."""


@dataclass
class Pictures:
    """Small pictures of test images, each read once."""

    missing: set[str] = field(default_factory=set)
    """Images that are gone, or not the same any more."""
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _hashes: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, attempt: Attempt, file: str) -> str | None:
        """The picture of a test image of an attempt, as a data URI."""
        try:
            specification = attempt.trial().specification
        except DamagedAttempt:  # it says where the images were, and nothing else here
            specification = {}
        folder, manifest = specification.get("data_folder"), specification.get("manifest")
        key = (str(folder), file)
        if key not in self._known:
            self._known[key] = self._read(Path(folder) / file, file, manifest) if folder else None
            if self._known[key] is None:
                self.missing.add(file)
        return self._known[key]

    def _read(self, path: Path, file: str, manifest: str | None) -> str | None:
        try:
            content = path.read_bytes()
            expected = self._sha256(manifest).get(file)
            if expected is not None and hashlib.sha256(content).hexdigest() != expected:
                return None
            return _small(content)
        except (OSError, ValueError):  # Pillow's errors are among these
            return None

    def _sha256(self, manifest: str | None) -> dict[str, str]:
        if manifest is None:
            return {}
        if manifest not in self._hashes:
            try:
                images = Manifest.read_file(Path(manifest)).images
            except (OSError, ValueError, KeyError, TypeError):
                images = ()
            self._hashes[manifest] = {image.file: image.sha256 for image in images if image.split == "test"}
        return self._hashes[manifest]


def data_folder(attempt: Attempt) -> Path | None:
    """Where the images of an attempt were; None where its file does not say."""
    try:
        folder = attempt.trial().specification.get("data_folder")
    except DamagedAttempt:
        return None
    return Path(folder) if folder else None


def predictions_of(attempt: Attempt, damaged: dict[Path, str]) -> Predictions | None:
    """The predictions of an attempt; None where they are missing, empty or damaged.

    Args:
        attempt: The attempt.
        damaged: Gets the file where it is there and cannot be read, with the reason.
    """
    try:
        return Predictions.read_csv(attempt.predictions)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        damaged[attempt.predictions] = str(error.strerror if isinstance(error, OSError) else error)
    return None


def mistakes_of(
    attempt: Attempt, predictions: Predictions, pictures: Pictures, most: int
) -> tuple[list[Mistake], int]:
    """The mistakes with the highest predicted probability, and how many there are in all."""
    wrong = (predictions.predicted != predictions.labels).nonzero()[0]
    sure = predictions.probabilities.max(axis=1)
    surest = sorted(wrong, key=lambda index: -sure[index])[:most]
    found = []
    for index in surest:
        shares = sorted(
            zip(predictions.classes, map(float, predictions.probabilities[index]), strict=True),
            key=lambda share: -share[1],
        )
        file, true = predictions.files[index], predictions.classes[predictions.labels[index]]
        seen = explained(attempt, picture_of(file))
        found.append(Mistake(file, true, shares, pictures.of(attempt, file), seen))
    return found, len(wrong)


def explained(attempt: Attempt, name: str, small: bool = True) -> str | None:
    """A picture of what the network of an attempt looks at, as a data URI; None where it was not made.

    Args:
        attempt: The attempt.
        name: Of the file in its folder of pictures.
        small: As small as other pictures of test images; else as it is.
    """
    try:
        content = (attempt.folder / EXPLAINED_FOLDER / name).read_bytes()
        return _small(content) if small else "data:image/png;base64," + base64.b64encode(content).decode()
    except (OSError, ValueError):
        return None


def hardest(judged: Sequence[tuple[Attempt, Predictions]], pictures: Pictures, most: int) -> list[HardImage]:
    """The images that most configurations misclassified, at least two.

    Args:
        judged: Attempts with their predictions.
        pictures: Where to get pictures.
        most: How many.
    """
    wrong: dict[str, Counter[str]] = {}
    seen: Counter[str] = Counter()
    known: dict[str, tuple[Attempt, str]] = {}
    for attempt, predictions in judged:
        for file, label, guess in zip(
            predictions.files, predictions.labels, predictions.predicted, strict=True
        ):
            seen[file] += 1
            if label != guess:
                wrong.setdefault(file, Counter())[predictions.classes[guess]] += 1
                known.setdefault(file, (attempt, predictions.classes[label]))
    ranked = sorted(wrong, key=lambda file: (-wrong[file].total() / seen[file], file))
    found = []
    for file in [one for one in ranked if wrong[one].total() > 1][:most]:
        attempt, true = known[file]
        counts = wrong[file]
        found.append(
            HardImage(
                file, true, counts.total(), seen[file], counts.most_common(), pictures.of(attempt, file)
            )
        )
    return found


def _small(content: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
    encoded = io.BytesIO()
    small.save(encoded, format="JPEG", quality=72)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode()
