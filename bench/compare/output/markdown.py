"""A summary that fits a pull request."""

import html
from collections.abc import Iterable

from bench.compare.output import format as words
from bench.compare.verdict import TrialVerdict, Verdict

MARKS = {
    "slower": "**slower**",
    "worse": "**worse**",
    "failed": "**failed**",
}


def markdown(verdict: Verdict) -> str:
    """The verdict as Markdown: outcome, a row a trial, where the time went, what changed."""
    shown = words.shown_metrics(verdict)
    heading = ["trial", "speed", "learning", *map(words.title_of, shown), "accuracy", "pairs"]
    lines = [
        f"## {_text(verdict.baseline)} against {_text(verdict.candidate)}",
        "",
        f"**{_text(words.outcome(verdict))}.** {_text(words.counts(verdict))}.",
        "",
        _row(heading),
        _row("---" for _ in heading),
    ]
    for trial in verdict.trials:
        changes = (words.change(words.metric_of(trial, name)) for name in shown)
        accuracy = words.difference(words.difference_of(trial, "accuracy"))
        speed, learning = (MARKS.get(said, said) for said in words.verdict_of(trial))
        lines.append(_row([_text(trial.label), speed, learning, *changes, accuracy, words.pairs_of(trial)]))
    lines += ["", "Changes are candidate / baseline over pairs, with 95 % intervals.", ""]
    if notes := words.notes_of(verdict):
        lines += [*(f"- {_text(note)}" for note in notes), ""]
    lines += _where(verdict.trials)
    lines += _changed(verdict)
    if found := words.detectable(verdict):
        lines += [_text(found), ""]
    lines += [f"{_text(note)}\n" for note in verdict.notes]
    return "\n".join(lines).rstrip() + "\n"


def _where(trials: Iterable[TrialVerdict]) -> list[str]:
    timed = [trial for trial in trials if trial.phases]
    if not timed:
        return []
    names = list(dict.fromkeys(phase.means for trial in timed for phase in trial.phases))
    lines = [
        "<details><summary>Where the time went: seconds, candidate less baseline</summary>",
        "",
        _row(["trial", *map(_text, names)]),
        _row("---" for _ in range(len(names) + 1)),
    ]
    for trial in timed:
        seconds = {phase.means: f"{phase.difference_s:+.2f}" for phase in trial.phases}
        lines.append(_row([_text(trial.label), *(seconds.get(name, "—") for name in names)]))
    return [*lines, "", "</details>", ""]


def _changed(verdict: Verdict) -> list[str]:
    if not verdict.changes:
        return ["Nothing that is recorded of the software differs.", ""]
    return [
        f"<details><summary>What differs between the sides ({len(verdict.changes)})</summary>",
        "",
        _row(["what", "baseline", "candidate"]),
        _row(["---"] * 3),
        *(_row(map(_text, (change.name, change.baseline, change.candidate))) for change in verdict.changes),
        "",
        "</details>",
        "",
    ]


def _row(trials: Iterable[str]) -> str:
    return "| " + " | ".join(trials) + " |"


def _text(text: str) -> str:
    """Names may hold anything; as Markdown they must stay text."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    for sign in "\\|`*_[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
