"""What a person should know before believing a result: sentences for the end of a run and for the page."""

import pandas as pd

from bench.journal.results import SuiteResults
from bench.report.frame import attempt_of

PLAUSIBLE = 0.8
"""Classical methods on cells are believed from this share of plausible segmentations on."""

MOST_REASONS = 3
"""Different ones, of what went wrong."""

MOST_READ = 50
"""Records that are read for it."""


def cautions(results: SuiteResults, trials: pd.DataFrame) -> list[str]:
    """Sentences about the trials of a frame, see `bench.report.frame.trials_frame`."""
    if "mode" not in trials:
        return []
    return [*_mixed(trials), *_implausible(results, trials), *_not_shared(trials)]


def _mixed(trials: pd.DataFrame) -> list[str]:
    """A sentence where trials ran on several kinds of device, or on different numbers of cores."""
    if "runtime" not in trials:
        return []
    found = trials["runtime"].dropna().str.extract(r"device ([^,]+)")[0].value_counts()
    if len(found) < 2:
        return _unlike(trials)
    counts = ", ".join(f"{count} on {model}" for model, count in sorted(found.items()))
    return [
        f"Trials ran on {len(found)} kinds of device ({counts}): compare what they learned, but not their times. "
        "accelerator in [devices] asks for one."
    ]


def _unlike(trials: pd.DataFrame) -> list[str]:
    """A sentence where trials on a processor had different numbers of cores."""
    found = trials["cores"].dropna().astype(int).value_counts() if "cores" in trials else {}
    if len(found) < 2:
        return []
    counts = ", ".join(f"{count} on {cores}" for cores, count in sorted(found.items()))
    return [
        f"Trials ran on different numbers of cores ({counts}): compare what they learned, but not their times."
    ]


def _not_shared(trials: pd.DataFrame) -> list[str]:
    """A sentence where trials should have shared features or pixels and could not."""
    reasons = trials["not_shared"].dropna().tolist() if "not_shared" in trials else []
    if not reasons:
        return []
    whose = "1 trial could not put its" if len(reasons) == 1 else f"{len(reasons)} trials could not put their"
    return [
        f"{whose} features or pixels into the cache, so no other trial finds them there: "
        f"{'; '.join(list(dict.fromkeys(reasons))[:MOST_REASONS])}."
    ]


def _implausible(results: SuiteResults, trials: pd.DataFrame) -> list[str]:
    """A sentence where classical methods found no nuclei."""
    own = trials[(trials["mode"] == "classical") & (trials["status"] == "done")].head(MOST_READ)
    shares = []
    for row in own.to_dict("records"):
        record = attempt_of(results, row).record()
        features = record.phases.features if record is not None else None
        if features is not None and features.plausible is not None:
            shares.append(features.plausible)
    if not shares or min(shares) >= PLAUSIBLE:
        return []
    share = f"{min(shares) * 100:.0f} %"
    return [
        f"Classical methods found a plausible nucleus in only {share} of the images, so they say little here. "
        'Features that need none: backbone = { name = "RandomForest", features = "hog" }, or "color" or "pixels".'
    ]
