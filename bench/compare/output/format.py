"""How figures of a verdict are written: the same in every output."""

from collections import Counter

from bench.compare.metrics import METRICS
from bench.compare.verdict import DifferenceVerdict, MetricVerdict, Status, TrialVerdict, Verdict
from bench.errors import ExitCode

COLUMNS = ("fit_time", "time_to_result", "throughput", "feature_throughput", "train_cpu_time", "peak_memory")
"""Metrics that tables show, where any trial has them."""

_OUTCOMES = {
    ExitCode.OK: "No regression",
    ExitCode.REGRESSION: "Regression",
    ExitCode.TRIALS_FAILED: "No regression, but trials failed that had not been done before",
    ExitCode.NOT_ENOUGH_EVIDENCE: "Not enough evidence",
}


def outcome(verdict: Verdict) -> str:
    """The whole in a line."""
    said = _OUTCOMES[verdict.exit_code]
    if verdict.regressions:
        said += ": " + ", ".join(
            f"{trial.label} {' and '.join(wrongs(trial))}" for trial in verdict.regressions
        )
    elif verdict.exit_code is ExitCode.NOT_ENOUGH_EVIDENCE:
        unclear = sum(trial.inconclusive for trial in verdict.trials)
        said += f": {unclear} of {len(verdict.trials)} trials" if unclear else ": no trial could be compared"
    return said


def wrongs(trial: TrialVerdict) -> list[str]:
    """What is wrong with a trial that is a regression."""
    found = [str(said) for said in (trial.speed, trial.learning) if said in ("slower", "worse")]
    return ["newly failing"] if trial.status is Status.FAILED else found


def counts(verdict: Verdict) -> str:
    """`speed: 5 same, 1 slower; learning: 6 same`, and what could not be judged."""
    judged = [trial for trial in verdict.trials if trial.status is Status.JUDGED]
    parts = []
    for title, words in (
        ("speed", [str(trial.speed) for trial in judged]),
        ("learning", [str(trial.learning) for trial in judged]),
        ("not judged", [str(trial.status) for trial in verdict.trials if trial.status is not Status.JUDGED]),
    ):
        if words:
            parts.append(f"{title}: " + ", ".join(f"{n} {word}" for word, n in Counter(words).items()))
    return "; ".join(parts)


def shown_metrics(verdict: Verdict) -> list[str]:
    """Names of the metrics that at least one trial has, of those that tables show."""
    known = {one.metric for trial in verdict.trials for one in trial.metrics}
    return [name for name in COLUMNS if name in known]


def title_of(metric: str) -> str:
    """A metric's name for people."""
    return METRICS[metric].title


def metric_of(trial: TrialVerdict, name: str) -> MetricVerdict | None:
    """A metric of a trial."""
    return next((one for one in trial.metrics if one.metric == name), None)


def difference_of(trial: TrialVerdict, figure: str) -> DifferenceVerdict | None:
    """Accuracy or loss of a trial."""
    return next((one for one in trial.differences if one.figure == figure), None)


def change(one: MetricVerdict | None) -> str:
    """`+9.4 % [+3.1, +13.0]`: change with its 95 % interval; a dash where there is none."""
    if one is None:
        return "—"
    said = f"{(one.ratio - 1) * 100:+.1f} %"
    if one.low is None or one.high is None:
        return said
    return f"{said} [{(one.low - 1) * 100:+.1f}, {(one.high - 1) * 100:+.1f}]"


def difference(one: DifferenceVerdict | None) -> str:
    """`-1.2 points [-2.0, -0.4]`, or in nats; a dash where there is none."""
    if one is None:
        return "—"
    scale, unit, digits = (100, "points", 1) if one.figure == "accuracy" else (1, "nats", 3)
    said = f"{one.difference * scale:+.{digits}f} {unit}"
    if one.low is None or one.high is None:
        return said
    return f"{said} [{one.low * scale:+.{digits}f}, {one.high * scale:+.{digits}f}]"


def amount(value: float, unit: str) -> str:
    """A value with its unit."""
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def verdict_of(trial: TrialVerdict) -> tuple[str, str]:
    """Speed and learning in words; for a trial that was not judged its status, and a dash."""
    if trial.status is not Status.JUDGED:
        return str(trial.status), "—"
    return str(trial.speed), str(trial.learning)


def pairs_of(trial: TrialVerdict) -> str:
    """`8`, or `8 (1 disturbed)`."""
    if not trial.pairs:
        return "—"
    return f"{trial.pairs} ({trial.disturbed} disturbed)" if trial.disturbed else str(trial.pairs)


def remarks(trial: TrialVerdict) -> list[str]:
    """Everything that is to be said of a trial, each once."""
    said: dict[str, list[str]] = {}
    for one in trial.metrics:
        if one.note and METRICS[one.metric].decides_same:
            said.setdefault(one.note, []).append(title_of(one.metric))
    for one in trial.differences:
        if one.note:
            said.setdefault(one.note, []).append(one.figure)
    notes = [trial.reason, *trial.notes, *(f"{', '.join(names)}: {note}" for note, names in said.items())]
    return list(dict.fromkeys(filter(None, notes)))


def notes_of(verdict: Verdict) -> list[str]:
    """What is to be said of trials, a line a trial, and what holds of several once, with their names."""
    shared = shared_remarks(verdict)
    own = [(trial.label, [one for one in remarks(trial) if one not in shared]) for trial in verdict.trials]
    return [
        *(f"{label}: {'; '.join(said)}" for label, said in own if said),
        *(f"{', '.join(labels)}: {said}" for said, labels in shared.items()),
    ]


def shared_remarks(verdict: Verdict) -> dict[str, list[str]]:
    """What is to be said of several trials -> their names, or `all trials`."""
    found: dict[str, list[str]] = {}
    for trial in verdict.trials:
        for said in remarks(trial):
            found.setdefault(said, []).append(trial.label)
    return {
        said: ["all trials"] if len(labels) == len(verdict.trials) else labels
        for said, labels in found.items()
        if len(labels) > 1
    }


def detectable(verdict: Verdict) -> str:
    """What these repeats can find; empty if that is not known."""
    if not verdict.detectable:
        return ""
    found = ", ".join(f"{title_of(name)} {share:.0%}" for name, share in verdict.detectable.items())
    power = verdict.thresholds["power"]
    return f"In {power:.0%} of runs these repeats find a change of: {found}."
