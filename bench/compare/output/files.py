"""The files of a verdict: JSON, JUnit XML for CI systems, Markdown for pull requests, HTML."""

import html
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

from bench.compare.metrics import METRICS
from bench.compare.output import format as words
from bench.compare.output.page import page
from bench.compare.verdict import Learning, Memory, Speed, Status, TrialVerdict, Verdict
from bench.worker.files import write_text

JSON, JUNIT, MARKDOWN, HTML = "regression.json", "junit.xml", "summary.md", "regression.html"

SCHEMA = "leukobench/regression"
VERSION = 2

MARKED = ("slower", "larger", "worse", "failed")
"""Words that Markdown shows in bold."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot write."""


def write_verdict(verdict: Verdict, folder: Path) -> list[Path]:
    """Write a verdict as JSON, JUnit XML, Markdown and HTML; every file appears whole.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        JSON: json.dumps(document(verdict), indent=1, allow_nan=False) + "\n",
        JUNIT: junit(verdict),
        MARKDOWN: markdown(verdict),
        HTML: page(verdict),
    }
    for name, text in contents.items():
        write_text(folder / name, text)
    return [folder / name for name in contents]


def document(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON values; docs/verdicts.md describes every key. Numbers that are not finite are None."""
    content: dict[str, Any] = _plain(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "baseline": verdict.baseline,
            "candidate": verdict.candidate,
            "outcome": words.outcome(verdict),
            "exit_code": int(verdict.exit_code),
            "thresholds": verdict.thresholds,
            "detectable": verdict.detectable,
            "changes": [asdict(change) for change in verdict.changes],
            "trials": [_trial(trial) for trial in verdict.trials],
            "notes": list(verdict.notes),
        }
    )
    return content


def junit(verdict: Verdict) -> str:
    """The verdict as JUnit XML: a test case each for the speed, the memory and the learning of every trial.

    Regressions are failures; trials without a verdict are skipped.
    """
    cases = [case for trial in verdict.trials for case in _cases(trial)]
    numbers = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
    }
    root = Tree.Element("testsuites", numbers)
    name = _xml(f"{verdict.baseline} against {verdict.candidate}")
    suite = Tree.SubElement(root, "testsuite", {"name": name, **numbers})
    if verdict.changes:
        properties = Tree.SubElement(suite, "properties")
        for change in verdict.changes:
            value = _xml(f"{change.baseline} -> {change.candidate}")
            Tree.SubElement(properties, "property", {"name": _xml(change.name), "value": value})
    suite.extend(cases)
    Tree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"


def markdown(verdict: Verdict) -> str:
    """The verdict as Markdown: outcome, one row for each trial, where the time went, what changed."""
    shown = words.shown_metrics(verdict)
    lines = [
        f"## {_markdown(verdict.baseline)} against {_markdown(verdict.candidate)}",
        "",
        f"**{_markdown(words.outcome(verdict))}.** {_markdown(words.counts(verdict))}.",
        "",
        *_table(
            ["trial", *words.VERDICTS, *map(words.title_of, shown), "accuracy", "pairs"],
            [_row(trial, shown) for trial in verdict.trials],
        ),
        "",
        "Changes are candidate / baseline over pairs, with 95 % confidence sequences.",
        "",
    ]
    if notes := words.notes_of(verdict):
        lines += [*(f"- {_markdown(note)}" for note in notes), ""]
    lines += _where(verdict.trials)
    lines += _operations(verdict.trials)
    lines += _times_to_accuracy(verdict.trials)
    lines += _changed(verdict)
    if found := words.detectable(verdict):
        lines += [_markdown(found), ""]
    lines += [f"{_markdown(note)}\n" for note in verdict.notes]
    return "\n".join(lines).rstrip() + "\n"


def _trial(trial: TrialVerdict) -> dict[str, Any]:
    content = asdict(trial)
    for metric in content["metrics"]:
        known = METRICS[metric["metric"]]
        metric["unit"], metric["more_is_worse"] = known.unit, known.more_is_worse
    for phase, change in zip(content["phases"], trial.phases, strict=True):
        phase["difference_s"] = change.difference_s
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)  # enumerations, too
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cases(trial: TrialVerdict) -> list[Tree.Element]:
    if trial.status is not Status.JUDGED:
        case = Tree.Element("testcase", {"classname": _xml(trial.label), "name": "runs"})
        kind = "failure" if trial.regression else "skipped"
        Tree.SubElement(case, kind, {"message": _xml(f"{trial.status}: {trial.reason}")})
        return [case]
    metrics = [
        f"{words.title_of(one.metric)}: {one.verdict}, {words.change(one)}, evidence {words.evidence(one)}"
        for one in trial.metrics
    ]
    learned = [f"{one.metric}: {one.verdict}, {words.difference(one)}" for one in trial.differences]
    memory = (Memory.LARGER, Memory.SAME, Memory.SMALLER)
    return [
        _case(trial, "speed", trial.speed, (Speed.SLOWER, Speed.SAME, Speed.FASTER), metrics),
        *([_case(trial, "memory", trial.memory, memory, metrics)] if trial.memory else []),
        _case(trial, "learning", trial.learning, (Learning.WORSE, Learning.SAME, Learning.BETTER), learned),
    ]


def _case(
    trial: TrialVerdict,
    name: str,
    said: Speed | Memory | Learning | None,
    known: tuple[Speed | Memory | Learning, ...],
    lines: Sequence[str],
) -> Tree.Element:
    """A test case.

    Args:
        trial: The trial.
        name: What of it is tested.
        said: Its verdict.
        known: Verdicts that are not skipped; the first one is a failure.
        lines: Details.
    """
    case = Tree.Element("testcase", {"classname": _xml(trial.label), "name": name})
    text = _xml("\n".join((*lines, f"pairs: {words.pairs_of(trial)}", *words.remarks(trial))))
    failed = said is known[0]
    if failed or said not in known:
        message = {"message": _xml(f"{said}: {trial.reason}".rstrip(": "))}
        element = Tree.SubElement(case, "failure" if failed else "skipped", message)
        if failed:
            element.text = text
    Tree.SubElement(case, "system-out").text = text
    return case


def _xml(text: str) -> str:
    return _FORBIDDEN.sub("?", text)


def _row(trial: TrialVerdict, shown: Sequence[str]) -> list[str]:
    verdicts = (f"**{said}**" if said in MARKED else said for said in words.verdict_of(trial))
    changes = (words.change(words.metric_of(trial, name)) for name in shown)
    accuracy = words.difference(words.difference_of(trial, "accuracy"))
    return [_markdown(trial.label), *verdicts, *changes, accuracy, words.pairs_of(trial)]


def _where(trials: Iterable[TrialVerdict]) -> list[str]:
    timed = [trial for trial in trials if trial.phases]
    if not timed:
        return []
    names = list(dict.fromkeys(phase.means for trial in timed for phase in trial.phases))
    rows = []
    for trial in timed:
        seconds = {phase.means: f"{phase.difference_s:+.2f}" for phase in trial.phases}
        rows.append([_markdown(trial.label), *(seconds.get(name, "—") for name in names)])
    return _details(
        "Where the time went: seconds, candidate less baseline", ["trial", *map(_markdown, names)], rows
    )


def _operations(trials: Iterable[TrialVerdict]) -> list[str]:
    rows = [
        [_markdown(trial.label), *map(_markdown, words.operation_row(one))]
        for trial in trials
        for one in trial.operations[: words.MOST_OPERATIONS]
    ]
    return (
        _details("Operations of the training step", ["trial", *words.OPERATION_HEADINGS], rows)
        if rows
        else []
    )


def _times_to_accuracy(trials: Iterable[TrialVerdict]) -> list[str]:
    rows = [
        [_markdown(trial.label), *map(_markdown, words.time_row(one))]
        for trial in trials
        for one in trial.accuracy_times
    ]
    return _details("Time to an accuracy", ["trial", *words.TIME_HEADINGS], rows) if rows else []


def _changed(verdict: Verdict) -> list[str]:
    if not verdict.changes:
        return ["No difference between the software of the sides is recorded.", ""]
    rows = [[_markdown(text) for text in (one.name, one.baseline, one.candidate)] for one in verdict.changes]
    return _details(f"What differs between the sides ({len(rows)})", ["what", "baseline", "candidate"], rows)


def _details(title: str, heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *_table(heading, rows), "", "</details>", ""]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows)]


def _markdown(text: str) -> str:
    """Names may hold anything; in Markdown they must stay text."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    for sign in "\\|`*_[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
