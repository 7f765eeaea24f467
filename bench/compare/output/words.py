"""How figures of a verdict are written: the same in every output."""

from collections import Counter

from bench.compare.metrics import METRICS
from bench.compare.verdict import CellVerdict, DifferenceVerdict, MetricVerdict, Status, Verdict
from bench.errors import ExitCode

COLUMNS = ("fit_time", "time_to_result", "throughput", "feature_throughput", "train_cpu_time", "peak_memory")
"""Metrics that tables show, where any cell has them."""

_OUTCOMES = {
    ExitCode.OK: "No regression",
    ExitCode.REGRESSION: "Regression",
    ExitCode.CELLS_FAILED: "No regression, but cells failed that had not been done before",
    ExitCode.NOT_ENOUGH_EVIDENCE: "Not enough evidence",
}


def outcome(verdict: Verdict) -> str:
    """The whole in a line."""
    said = _OUTCOMES[verdict.exit_code]
    if verdict.regressions:
        said += ": " + ", ".join(f"{cell.label} {' and '.join(wrongs(cell))}" for cell in verdict.regressions)
    elif verdict.exit_code is ExitCode.NOT_ENOUGH_EVIDENCE:
        unclear = sum(cell.inconclusive for cell in verdict.cells)
        said += f": {unclear} of {len(verdict.cells)} cells" if unclear else ": no cell could be compared"
    return said


def wrongs(cell: CellVerdict) -> list[str]:
    """What is wrong with a cell that is a regression."""
    found = [str(said) for said in (cell.speed, cell.learning) if said in ("slower", "worse")]
    return ["newly failing"] if cell.status is Status.FAILED else found


def counts(verdict: Verdict) -> str:
    """`speed: 5 same, 1 slower; learning: 6 same`, and what could not be judged."""
    judged = [cell for cell in verdict.cells if cell.status is Status.JUDGED]
    parts = []
    for title, words in (
        ("speed", [str(cell.speed) for cell in judged]),
        ("learning", [str(cell.learning) for cell in judged]),
        ("not judged", [str(cell.status) for cell in verdict.cells if cell.status is not Status.JUDGED]),
    ):
        if words:
            parts.append(f"{title}: " + ", ".join(f"{n} {word}" for word, n in Counter(words).items()))
    return "; ".join(parts)


def shown_metrics(verdict: Verdict) -> list[str]:
    """Names of the metrics that at least one cell has, of those that tables show."""
    known = {one.metric for cell in verdict.cells for one in cell.metrics}
    return [name for name in COLUMNS if name in known]


def title_of(metric: str) -> str:
    """A metric's name for people."""
    return METRICS[metric].title


def metric_of(cell: CellVerdict, name: str) -> MetricVerdict | None:
    """A metric of a cell."""
    return next((one for one in cell.metrics if one.metric == name), None)


def difference_of(cell: CellVerdict, figure: str) -> DifferenceVerdict | None:
    """Accuracy or loss of a cell."""
    return next((one for one in cell.differences if one.figure == figure), None)


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


def verdict_of(cell: CellVerdict) -> tuple[str, str]:
    """Speed and learning in words; for a cell that was not judged its status, and a dash."""
    if cell.status is not Status.JUDGED:
        return str(cell.status), "—"
    return str(cell.speed), str(cell.learning)


def pairs_of(cell: CellVerdict) -> str:
    """`8`, or `8 (1 disturbed)`."""
    if not cell.pairs:
        return "—"
    return f"{cell.pairs} ({cell.disturbed} disturbed)" if cell.disturbed else str(cell.pairs)


def remarks(cell: CellVerdict) -> list[str]:
    """Everything that is to be said of a cell, each once."""
    said: dict[str, list[str]] = {}
    for one in cell.metrics:
        if one.note and METRICS[one.metric].decides_same:
            said.setdefault(one.note, []).append(title_of(one.metric))
    for one in cell.differences:
        if one.note:
            said.setdefault(one.note, []).append(one.figure)
    notes = [cell.reason, *cell.notes, *(f"{', '.join(names)}: {note}" for note, names in said.items())]
    return list(dict.fromkeys(filter(None, notes)))


def notes_of(verdict: Verdict) -> list[str]:
    """What is to be said of cells, a line a cell, and what holds of several once, with their names."""
    shared = shared_remarks(verdict)
    own = [(cell.label, [one for one in remarks(cell) if one not in shared]) for cell in verdict.cells]
    return [
        *(f"{label}: {'; '.join(said)}" for label, said in own if said),
        *(f"{', '.join(labels)}: {said}" for said, labels in shared.items()),
    ]


def shared_remarks(verdict: Verdict) -> dict[str, list[str]]:
    """What is to be said of several cells -> their names, or `all cells`."""
    found: dict[str, list[str]] = {}
    for cell in verdict.cells:
        for said in remarks(cell):
            found.setdefault(said, []).append(cell.label)
    return {
        said: ["all cells"] if len(labels) == len(verdict.cells) else labels
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
