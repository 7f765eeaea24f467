"""JUnit XML: a test case for speed and one for learning of every cell, as CI systems show them."""

import re
from xml.etree import ElementTree as Tree

from bench.compare.output import words
from bench.compare.verdict import CellVerdict, Learning, Speed, Status, Verdict

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 knows no way to write."""


def junit(verdict: Verdict) -> str:
    """The verdict as JUnit XML: regressions are failures, what has no verdict is skipped."""
    cases = [case for cell in verdict.cells for case in _cases(cell)]
    failures = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    numbers = {
        "tests": str(len(cases)),
        "failures": str(failures),
        "errors": "0",
        "skipped": str(skipped),
    }
    root = Tree.Element("testsuites", numbers)
    suite = Tree.SubElement(
        root, "testsuite", {"name": _text(f"{verdict.baseline} against {verdict.candidate}"), **numbers}
    )
    if verdict.changes:
        properties = Tree.SubElement(suite, "properties")
        for change in verdict.changes:
            value = _text(f"{change.baseline} -> {change.candidate}")
            Tree.SubElement(properties, "property", {"name": _text(change.name), "value": value})
    suite.extend(cases)
    Tree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"


def _cases(cell: CellVerdict) -> list[Tree.Element]:
    if cell.status is not Status.JUDGED:
        case = _case(cell, "runs")
        kind = "failure" if cell.regression else "skipped"
        Tree.SubElement(case, kind, {"message": _text(f"{cell.status}: {cell.reason}")})
        return [case]
    speed, learning = _case(cell, "speed"), _case(cell, "learning")
    metrics = [f"{words.title_of(one.metric)}: {one.verdict}, {words.change(one)}" for one in cell.metrics]
    figures = [f"{one.figure}: {one.verdict}, {words.difference(one)}" for one in cell.differences]
    _judge(speed, str(cell.speed), cell.speed is Speed.SLOWER, (Speed.SAME, Speed.FASTER), cell, metrics)
    _judge(
        learning,
        str(cell.learning),
        cell.learning is Learning.WORSE,
        (Learning.SAME, Learning.BETTER),
        cell,
        figures,
    )
    return [speed, learning]


def _judge(
    case: Tree.Element, said: str, wrong: bool, passed: tuple[str, ...], cell: CellVerdict, lines: list[str]
) -> None:
    text = _text("\n".join((*lines, f"pairs: {words.pairs_of(cell)}", *words.remarks(cell))))
    if wrong or said not in passed:
        kind = "failure" if wrong else "skipped"
        element = Tree.SubElement(case, kind, {"message": _text(f"{said}: {cell.reason}".rstrip(": "))})
        if wrong:
            element.text = text
    Tree.SubElement(case, "system-out").text = text


def _case(cell: CellVerdict, name: str) -> Tree.Element:
    return Tree.Element("testcase", {"classname": _text(cell.label), "name": name})


def _text(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
