"""JUnit XML: a test case for speed and one for learning of every trial, as CI systems show them."""

import re
from xml.etree import ElementTree as Tree

from bench.compare.output import format as words
from bench.compare.verdict import Learning, Speed, Status, TrialVerdict, Verdict

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 knows no way to write."""


def junit(verdict: Verdict) -> str:
    """The verdict as JUnit XML: regressions are failures, what has no verdict is skipped."""
    cases = [case for trial in verdict.trials for case in _cases(trial)]
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


def _cases(trial: TrialVerdict) -> list[Tree.Element]:
    if trial.status is not Status.JUDGED:
        case = _case(trial, "runs")
        kind = "failure" if trial.regression else "skipped"
        Tree.SubElement(case, kind, {"message": _text(f"{trial.status}: {trial.reason}")})
        return [case]
    speed, learning = _case(trial, "speed"), _case(trial, "learning")
    metrics = [f"{words.title_of(one.metric)}: {one.verdict}, {words.change(one)}" for one in trial.metrics]
    figures = [f"{one.figure}: {one.verdict}, {words.difference(one)}" for one in trial.differences]
    _judge(speed, str(trial.speed), trial.speed is Speed.SLOWER, (Speed.SAME, Speed.FASTER), trial, metrics)
    _judge(
        learning,
        str(trial.learning),
        trial.learning is Learning.WORSE,
        (Learning.SAME, Learning.BETTER),
        trial,
        figures,
    )
    return [speed, learning]


def _judge(
    case: Tree.Element, said: str, wrong: bool, passed: tuple[str, ...], trial: TrialVerdict, lines: list[str]
) -> None:
    text = _text("\n".join((*lines, f"pairs: {words.pairs_of(trial)}", *words.remarks(trial))))
    if wrong or said not in passed:
        kind = "failure" if wrong else "skipped"
        element = Tree.SubElement(case, kind, {"message": _text(f"{said}: {trial.reason}".rstrip(": "))})
        if wrong:
            element.text = text
    Tree.SubElement(case, "system-out").text = text


def _case(trial: TrialVerdict, name: str) -> Tree.Element:
    return Tree.Element("testcase", {"classname": _text(trial.label), "name": name})


def _text(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
