"""A verdict in lines of plain text."""

from bench.compare.verdict import Verdict


def lines_of(verdict: Verdict) -> list[str]:
    """A line a cell, what decided, and notes."""
    lines = []
    for cell in verdict.cells:
        said = " x ".join(str(one) for one in (cell.speed, cell.learning) if one) or str(cell.status)
        lines.append(f"{cell.label}: {said}" + (f" ({cell.reason})" if cell.reason else ""))
        lines += [f"  {note}" for note in cell.notes]
    return [*lines, *verdict.notes]
