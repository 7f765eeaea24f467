"""How image files become pixels, and what is known of a file. Free of NumPy, so that a plan loads it in no time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wbc.errors import InputError

PROJECTIONS = ("max", "mean", "min")
"""How the pages of a file become one image."""

FITS = ("squash", "crop", "pad")
"""How an image that is not square becomes square: distorted, its middle cut out, or white added."""

INTEGERS, FLOATS = "integers", "floats"
"""Kinds of numbers of more than 8 bits."""


@dataclass(frozen=True)
class Reading:
    """How files become pixels: the same for every image of a data set.

    Raises:
        InputError: A value is out of its range.
    """

    white: float | None = None
    """The number that becomes 255, in images of more than 8 bits; None: not known yet."""
    black: float = 0.0
    """The number that becomes 0, in images of more than 8 bits."""
    pages: int | str | None = None
    """Of files with several: the number of one page, from 1, or one of `PROJECTIONS`. None: an error."""
    fit: str = "squash"
    """One of `FITS`."""

    def __post_init__(self) -> None:
        if self.white is not None and not self.black < self.white < float("inf"):
            raise InputError(
                f"white is {self.white:g} and black is {self.black:g}", "Give a white above black."
            )
        known = self.pages is None or self.pages in PROJECTIONS
        if not known and not (isinstance(self.pages, int) and self.pages >= 1):
            raise InputError(
                f"pages is {self.pages!r}", f"Give the number of a page from 1, or {', '.join(PROJECTIONS)}."
            )
        if self.fit not in FITS:
            raise InputError(f"fit is {self.fit!r}", f"Give {', '.join(FITS)}.")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Reading":
        """What the settings of a manifest say."""
        return cls(**settings.get("reading", {}))

    def spelled_out(self) -> dict[str, Any]:
        """What differs from the usual, for a manifest; empty for plain images."""
        usual = asdict(PLAIN)
        return {key: value for key, value in asdict(self).items() if value != usual[key]}


PLAIN = Reading()
"""Of a data set whose images are all of 8 bits and one page."""


@dataclass(frozen=True)
class Facts:
    """What is in an image file."""

    width: int
    """Pixels of the upright image."""
    height: int
    low: float
    """Smallest number in any color channel."""
    high: float
    """Largest number."""
    kind: str = ""
    """`INTEGERS` or `FLOATS` of more than 8 bits; empty for 8 bits and less."""
    most: float = 0.0
    """Of `INTEGERS` the largest number that the type of the file's numbers can hold; else 0."""
    plain: bool = True
    """Whether every program shows the same pixels: 8 bits, opaque, one page."""
