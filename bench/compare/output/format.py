"""How a verdict is put into words, the same in every output; and its table on the terminal."""

from collections import Counter
from typing import TYPE_CHECKING

from bench.compare.metrics import METRICS
from bench.compare.verdict import (
    AccuracyTimeChange,
    DifferenceVerdict,
    MetricVerdict,
    OperationChange,
    Status,
    TrialVerdict,
    Verdict,
)
from bench.trials.measured import Never

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = (
    *("fit_time", "time_to_result", "throughput", "feature_throughput", "train_cpu_time"),
    *("latency_1", "latency_64", "peak_memory"),
)
"""Metrics that tables show, where any trial has them."""

SHOWN = ("fit_time", "throughput", "time_to_result")
"""Metrics that the terminal shows, the most useful first, as far as there is room. The files have all."""

LONGEST, FIXED, COLUMN = 36, 63, 20
"""Characters of a trial's label at most, of the other columns together, and of the column of a metric."""

NARROW = 70
"""Columns that the table needs at least; below, each trial has lines of its own."""

STYLES = {
    "slower": "bold red",
    "larger": "bold red",
    "worse": "bold red",
    "failed": "bold red",
    "faster": "green",
    "smaller": "green",
    "better": "green",
    "inconclusive": "yellow",
}

_FAILED = "trials failed that the baseline has not done either"


def outcome(verdict: Verdict) -> str:
    """The whole verdict in one line."""
    if verdict.regressions:
        found = (f"{trial.label} {' and '.join(wrongs(trial))}" for trial in verdict.regressions)
        return f"Regression: {', '.join(found)}"
    failed, count = sum(trial.status is Status.FAILED for trial in verdict.trials), len(verdict.trials)
    if not verdict.compared:
        return f"Nothing was judged: {f'{failed} of {count} trials failed' if failed else 'no trial could be compared'}"
    if unclear := sum(trial.inconclusive for trial in verdict.compared):
        return f"Not enough evidence: {unclear} of {count} trials" + (f"; {_FAILED}" if failed else "")
    return "No regression" + (f", but {_FAILED}" if failed else "")


def wrongs(trial: TrialVerdict) -> list[str]:
    """What makes a trial a regression."""
    verdicts = trial.speed, trial.memory, trial.learning
    found = [str(said) for said in verdicts if said in ("slower", "larger", "worse")]
    return ["newly failing"] if trial.status is Status.FAILED else found


def counts(verdict: Verdict) -> str:
    """`speed: 5 same, 1 slower; learning: 6 same`, and what could not be judged."""
    judged = [trial for trial in verdict.trials if trial.status is Status.JUDGED]
    parts = []
    for title, words in (
        ("speed", [str(trial.speed) for trial in judged]),
        ("memory", [str(trial.memory) for trial in judged if trial.memory is not None]),
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


def difference_of(trial: TrialVerdict, metric: str) -> DifferenceVerdict | None:
    """Accuracy or loss of a trial."""
    return next((one for one in trial.differences if one.metric == metric), None)


def change(one: MetricVerdict | None) -> str:
    """`+9.4 % [+3.1, +13.0]`: a change with its 95 % confidence sequence; a dash where there is none."""
    if one is None:
        return "—"
    said = f"{(one.ratio - 1) * 100:+.1f} %"
    if one.low is None and one.high is None:
        return said
    bounds = ["…" if bound is None else f"{(bound - 1) * 100:+.1f}" for bound in (one.low, one.high)]
    return f"{said} [{', '.join(bounds)}]"


def difference(one: DifferenceVerdict | None) -> str:
    """`-1.2 points [-2.0, -0.4]`, or in nats; a dash where there is none."""
    if one is None:
        return "—"
    scale, unit, digits = (100, "points", 1) if one.metric == "accuracy" else (1, "nats", 3)
    said = f"{one.difference * scale:+.{digits}f} {unit}"
    if one.low is None or one.high is None:
        return said
    return f"{said} [{one.low * scale:+.{digits}f}, {one.high * scale:+.{digits}f}]"


def amount(value: float, unit: str) -> str:
    """A value with its unit."""
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "s" and value < 0.1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


TIME_HEADINGS = ("time to", "baseline", "candidate", "candidate / baseline", "reached in pairs")
"""Headings of what `time_row` returns."""


def time_row(one: AccuracyTimeChange) -> list[str]:
    """A time to an accuracy in words."""
    ratio = _times(one.ratio, "{:.2f}")
    if one.low is not None and one.high is not None and one.coverage is not None:
        share = "" if one.coverage == 0.95 else f" ({one.coverage:.0%})"
        ratio += f" [{_times(one.low, '{:.2f}')}, {_times(one.high, '{:.2f}')}]{share}"
    reached = f"{one.baseline_reached} and {one.candidate_reached} of {one.pairs}"
    seconds = [_times(value, "{:.3g} s") for value in (one.baseline, one.candidate)]
    return [f"{one.of_best:.0%} of the baseline's best", *seconds, ratio, reached]


def _times(value: float | Never, pattern: str) -> str:
    return value if value == "never" else pattern.format(value)


OPERATION_HEADINGS = (
    "operation",
    "baseline ms a step",
    "candidate ms a step",
    "change",
    "longer in pairs",
    "shown",
)
"""Headings of what `operation_row` returns."""

MOST_OPERATIONS = 10
"""Rows of a table of operations."""


def operation_row(one: OperationChange) -> list[str]:
    """An operation of the training step as text."""
    return [
        one.operation,
        f"{one.baseline_ms:.3g}",
        f"{one.candidate_ms:.3g}",
        f"{one.ratio - 1:+.0%}",
        f"{one.up} of {one.pairs}",
        "yes" if one.clear else "no",
    ]


def changed_operations(verdict: Verdict) -> list[str]:
    """A line for each trial with operations that are shown to take longer or shorter."""
    lines = []
    for trial in verdict.trials:
        shown = [
            f"{one.operation} {one.baseline_ms:.3g} -> {one.candidate_ms:.3g} ms ({one.ratio - 1:+.0%})"
            for one in trial.operations
            if one.clear
        ]
        if shown:
            lines.append(f"{trial.label}: {', '.join(shown[:3])}")
    return lines


def time_to_accuracy(verdict: Verdict) -> list[str]:
    """A line for each trial: the time to 90 % of the baseline's best validation accuracy."""
    lines = []
    for trial in verdict.trials:
        for one in trial.accuracy_times:
            if one.of_best == 0.9:
                _, old, new, ratio, _ = time_row(one)
                lines.append(f"{trial.label}: {old} and {new}, ratio {ratio}")
    return lines


VERDICTS = ("speed", "memory", "learning")
"""Headings of what `verdict_of` returns."""


def verdict_of(trial: TrialVerdict) -> tuple[str, str, str]:
    """Speed, memory and learning in words; for a trial that was not judged its status, and dashes."""
    if trial.status is not Status.JUDGED:
        return str(trial.status), "—", "—"
    return str(trial.speed), "—" if trial.memory is None else str(trial.memory), str(trial.learning)


def evidence(one: MetricVerdict) -> str:
    """`530 of 400`: the evidence for a change, and what it takes."""
    found = f"{one.evidence:.3g}" if one.evidence < 1000 else f"{one.evidence:.0e}"
    return f"{found} of {one.bar:.0f}"


def difference_needed(one: DifferenceVerdict) -> str:
    """`3.2 points or more`: what is called worse or better; a dash where nothing was tested."""
    if one.bar is None:
        return "—"
    return f"{one.bar * 100:.1f} points" if one.metric == "accuracy" else f"{one.bar:.3f} nats"


def pairs_of(trial: TrialVerdict) -> str:
    """`8`, or `8 (1 disturbed)`."""
    if not trial.pairs:
        return "—"
    return f"{trial.pairs} ({trial.disturbed} disturbed)" if trial.disturbed else str(trial.pairs)


def remarks(trial: TrialVerdict) -> list[str]:
    """All remarks on a trial, each once."""
    said: dict[str, list[str]] = {}
    for one in trial.metrics:
        if one.note and METRICS[one.metric].decides_same:
            said.setdefault(one.note, []).append(title_of(one.metric))
    for learned in trial.differences:
        if learned.note:
            said.setdefault(learned.note, []).append(learned.metric)
    notes = [trial.reason, *trial.notes, *(f"{', '.join(names)}: {note}" for note, names in said.items())]
    return list(dict.fromkeys(filter(None, notes)))


def notes_of(verdict: Verdict) -> list[str]:
    """Remarks: one line for each trial, then those that several trials share, once, with their names."""
    shared = shared_remarks(verdict)
    own = [(trial.label, [one for one in remarks(trial) if one not in shared]) for trial in verdict.trials]
    return [
        *(f"{label}: {'; '.join(said)}" for label, said in own if said),
        *(f"{', '.join(labels)}: {said}" for said, labels in shared.items()),
    ]


def shared_remarks(verdict: Verdict) -> dict[str, list[str]]:
    """Remark that several trials share -> their labels, or `all trials`."""
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
    """The changes that so many pairs can find; empty if unknown."""
    if not verdict.detectable:
        return ""
    found = ", ".join(f"{title_of(name)} {share:.0%}" for name, share in verdict.detectable.items())
    power = verdict.thresholds["power"]
    return f"In {power:.0%} of runs so many pairs find a change of: {found}."


def print_verdict(console: "Console", verdict: Verdict) -> None:
    """Print one row for each trial, the remarks, and what differs between the sides."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    def say(text: str, style: str | None = None) -> None:
        console.print(_printable(text), markup=False, highlight=False, style=style)

    title = Text(_printable(f"{verdict.baseline} against {verdict.candidate}"))
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    longest = min(LONGEST, max((len(trial.label) for trial in verdict.trials), default=0))
    room = max(0, (console.width - longest - FIXED) // COLUMN)
    known = shown_metrics(verdict)
    shown = [name for name in SHOWN if name in known][:room]
    for heading in ("trial", *VERDICTS, *map(title_of, shown), "accuracy", "pairs"):
        table.add_column(heading, overflow="fold", no_wrap=heading not in ("trial", "pairs"))
    for trial in verdict.trials:
        said = [Text(word, style=STYLES.get(word, "")) for word in verdict_of(trial)]
        changes = [change(metric_of(trial, name)) for name in shown]
        changes.append(difference(difference_of(trial, "accuracy")))
        # Intervals go below: beside the changes they would leave no room for labels.
        texts = [Text(text.replace(" [", "\n[")) for text in changes]
        table.add_row(Text(_printable(trial.label)), *said, *texts, Text(pairs_of(trial)))
    if console.width < min(longest + FIXED, NARROW):
        console.print(title)
        for trial in verdict.trials:
            speed, memory, learning = verdict_of(trial)
            accuracy, pairs = difference(difference_of(trial, "accuracy")), pairs_of(trial)
            console.print(_printable(trial.label), markup=False, highlight=False, soft_wrap=True)
            say(f"  speed {speed}, memory {memory}, learning {learning}")
            say(f"  accuracy {accuracy}, pairs {pairs}")
    else:
        console.print(table)
    for note in notes_of(verdict):
        say(note)
    if reached := time_to_accuracy(verdict):
        say(f"Time to 90 % of the baseline's best validation accuracy: {'; '.join(reached)}.")
    if changed := changed_operations(verdict):
        say(f"Operations of the training step that changed, in a step: {'; '.join(changed)}.")
    if verdict.changes:
        differing = ", ".join(f"{one.name} {one.baseline} -> {one.candidate}" for one in verdict.changes)
        say(f"What differs: {differing}.")
    for note in (detectable(verdict), *verdict.notes):
        if note:
            say(note)
    say(f"{outcome(verdict)}. {counts(verdict)}.", style="bold")


def _printable(text: str) -> str:
    """Without characters that a terminal would take for commands."""
    return "".join(char if char.isprintable() else "?" for char in text)
