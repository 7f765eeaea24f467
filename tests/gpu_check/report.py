"""The report: one line for each check, as Markdown and as JSON. Standard library only."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

REPOSITORY = Path(__file__).resolve().parents[2]

Verdict = Literal["pass", "fail", "not here"]


@dataclass(frozen=True)
class Line:
    """One check."""

    check: str
    """What is checked."""
    criterion: str
    """When it passes."""
    measured: str
    """What was measured, or why nothing was."""
    verdict: Verdict
    step: int = -1
    """Number of the step that it belongs to."""


def line(check: str, criterion: str, measured: object, passed: bool | None) -> Line:
    """A line; `passed` is None where this machine or environment lacks what the check needs."""
    verdict: Verdict = "not here" if passed is None else "pass" if passed else "fail"
    return Line(check, criterion, public(" ".join(str(measured).split()))[:1500], verdict)


def public(text: str) -> str:
    """A text without what is nobody's business: folders of the user, the GPU's own number."""
    for folder, name in ((REPOSITORY, "."), (Path.home(), "~")):
        text = text.replace(str(folder), name) if len(str(folder)) > 1 else text
    return re.sub(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "its UUID", text)


def write_report(folder: Path, machine: dict[str, str], lines: Sequence[Line]) -> None:
    """Write `report.md` and `report.json` anew; called after every step, so that a stopped check leaves one."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"format": 1, "machine": machine, "checks": [asdict(one) for one in lines]}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    (folder / "report.md").write_text(markdown(machine, lines))


def markdown(machine: dict[str, str], lines: Sequence[Line]) -> str:
    """The report as people read it."""
    counts = {
        verdict: sum(one.verdict == verdict for one in lines) for verdict in ("pass", "fail", "not here")
    }
    text = ["# GPU check", "", ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".", ""]
    text += [
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {_cell(value)} |" for name, value in machine.items()),
        "",
    ]
    text += ["| step | check | passes if | measured | |", "| --- | --- | --- | --- | --- |"]
    text += [
        f"| {one.step} | {_cell(one.check)} | {_cell(one.criterion)} | {_cell(one.measured)} | {one.verdict} |"
        for one in lines
    ]
    return "\n".join(text) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
