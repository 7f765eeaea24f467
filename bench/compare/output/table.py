"""The verdict on the terminal."""

from bench.compare.output import format as words
from bench.compare.verdict import Verdict

SHOWN = ("fit_time", "throughput", "time_to_result")
"""Metrics in the order in which they are worth the room; all of them are in the files."""

LONGEST, FIXED, FIGURE = 36, 50, 20
"""Characters of a trial's name, of the other columns, and of a metric."""

STYLES = {
    "slower": "bold red",
    "worse": "bold red",
    "failed": "bold red",
    "faster": "green",
    "better": "green",
    "inconclusive": "yellow",
}


def print_verdict(console, verdict: Verdict) -> None:
    """Print a row a trial, what is to be said of each, and what differs between the sides."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    def say(text: str, style: str | None = None) -> None:
        console.print(_tame(text), markup=False, highlight=False, style=style)

    title = Text(_tame(f"{verdict.baseline} against {verdict.candidate}"))
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    longest = min(LONGEST, max((len(trial.label) for trial in verdict.trials), default=0))
    room = max(0, (console.width - longest - FIXED) // FIGURE)
    known = words.shown_metrics(verdict)
    shown = [name for name in SHOWN if name in known][:room]
    for heading in ("trial", "speed", "learning", *map(words.title_of, shown), "accuracy", "pairs"):
        table.add_column(heading, overflow="fold", no_wrap=heading not in ("trial", "pairs"))
    for trial in verdict.trials:
        said = [Text(word, style=STYLES.get(word, "")) for word in words.verdict_of(trial)]
        changes = [words.change(words.metric_of(trial, name)) for name in shown]
        changes.append(words.difference(words.difference_of(trial, "accuracy")))
        # The interval stands below: side by side they would leave no room for names.
        texts = [Text(text.replace(" [", "\n[")) for text in changes]
        table.add_row(Text(_tame(trial.label)), *said, *texts, Text(words.pairs_of(trial)))
    console.print(table)
    for note in words.notes_of(verdict):
        say(note)
    if verdict.changes:
        said = ", ".join(f"{one.name} {one.baseline} -> {one.candidate}" for one in verdict.changes)
        say(f"What differs: {said}.")
    for note in (words.detectable(verdict), *verdict.notes):
        if note:
            say(note)
    say(f"{words.outcome(verdict)}. {words.counts(verdict)}.", style="bold")


def _tame(text: str) -> str:
    """What a terminal would take for commands is no part of a name."""
    return "".join(char if char.isprintable() else "?" for char in text)
