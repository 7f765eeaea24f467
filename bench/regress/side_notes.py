"""`sides.json`: what a comparison compared, and what differs between two sides."""

from msgspec import Struct

from bench.regress.environments import differing

SIDES = "sides.json"
"""In the folder of a comparison, see `SidesNote`."""


class SideNote(Struct, frozen=True, kw_only=True):
    """What `sides.json` says of a side."""

    label: str
    interpreter: str
    python: str
    """Its version."""
    code: str
    """Where the code comes from, in words."""
    wbc: str
    """Hash of the source of `wbc`."""
    key: str
    """See `Side.key`."""
    packages: dict[str, str]


class SidesNote(Struct, frozen=True, kw_only=True):
    """`sides.json` of a comparison: what it compared when it ran last."""

    suite: str = ""
    baseline: SideNote | None = None
    """None where the baseline was a saved result."""
    candidate: SideNote | None = None


def differences(baseline: SideNote, candidate: SideNote) -> dict[str, tuple[str, str]]:
    """What differs between sides: packages, Python, the code; name -> both."""
    found = differing(baseline.packages, candidate.packages)
    if baseline.python != candidate.python:
        found["python"] = (baseline.python, candidate.python)
    if (baseline.wbc, baseline.code) != (candidate.wbc, candidate.code):
        found["wbc"] = (baseline.code, candidate.code)
    return found
