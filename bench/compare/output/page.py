"""An HTML page with the pairs as dots; needs nothing but itself."""

import html
import math
from collections.abc import Iterable, Sequence

from bench.compare.metrics import METRICS
from bench.compare.output import format as words
from bench.compare.verdict import DifferenceVerdict, EpochChange, MetricVerdict, TrialVerdict, Verdict

WIDTH, HEIGHT, PAD = 420, 46, 10
SMALLEST = {"%": 1.0, "points": 1.0}
"""An axis reaches so far at least: rounding must not look like a spread."""

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2530;--dim:#667;--line:#cdd3da;--bad:#b3261e;--good:#1b7f4d;
--dot:#3a6ea5;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa4b2;--line:#3a4350;--bad:#ff8a80;
--good:#6fd09d;--dot:#8ab8ee;--paper:#14181d}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:76rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}table{border-collapse:collapse;margin:.6rem 0}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.scroll{overflow-x:auto}.slower,.worse,.failed{color:var(--bad);font-weight:600}
.faster,.better{color:var(--good)}.dim{color:var(--dim)}svg{display:block;max-width:100%}
svg text{font:11px system-ui,sans-serif;fill:var(--dim)}ul{margin:.3rem 0;padding-left:1.2rem}
a{color:inherit}
"""


def page(verdict: Verdict) -> str:
    """The verdict as one HTML document without scripts."""
    title = f"{verdict.baseline} against {verdict.candidate}"
    shared = words.shared_remarks(verdict)
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p><strong>{_text(words.outcome(verdict))}.</strong> {_text(words.counts(verdict))}.</p>",
        _overview(verdict),
        _list(f"{', '.join(labels)}: {said}" for said, labels in shared.items()) if shared else "",
        *(
            _trial(trial, [one for one in words.remarks(trial) if one not in shared])
            for trial in verdict.trials
        ),
        _changes(verdict),
        *(f"<p class=dim>{_text(note)}</p>" for note in (words.detectable(verdict), *verdict.notes) if note),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


def _overview(verdict: Verdict) -> str:
    shown = words.shown_metrics(verdict)
    rows = []
    for trial in verdict.trials:
        speed, learning = words.verdict_of(trial)
        changes = [words.change(words.metric_of(trial, name)) for name in shown]
        accuracy = words.difference(words.difference_of(trial, "accuracy"))
        link = f'<a href="#{_anchor(trial)}">{_text(trial.label)}</a>'
        trials = [link, _word(speed), _word(learning)]
        rows.append([*trials, *map(_text, (*changes, accuracy, words.pairs_of(trial)))])
    heading = ["trial", "speed", "learning", *map(words.title_of, shown), "accuracy", "pairs"]
    return _table(map(_text, heading), rows)


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in lines) + "</ul>"


def _trial(trial: TrialVerdict, remarks: list[str]) -> str:
    speed, learning = words.verdict_of(trial)
    said = f"{_word(speed)}, {_word(learning)}" if learning != "—" else _word(speed)
    parts = [f'<h2 id="{_anchor(trial)}">{_text(trial.label)}: {said}</h2>']
    if remarks:
        parts.append(_list(remarks))
    rows = [_metric_row(one) for one in trial.metrics] + [_difference_row(one) for one in trial.differences]
    if rows:
        heading = ("figure", "verdict", "baseline", "candidate", "change, 95 % interval", "pairs", "p (Holm)")
        parts.append(_table(heading, rows))
    if trial.phases:
        rows = [
            [
                _text(phase.means),
                f"{phase.baseline_s:.2f}",
                f"{phase.candidate_s:.2f}",
                f"{phase.difference_s:+.2f}",
            ]
            for phase in trial.phases
        ]
        parts.append(_table(("where the time goes", "baseline s", "candidate s", "difference s"), rows))
    if trial.curves:
        parts.append(_curves(trial.curves))
    return "\n".join(parts)


def _metric_row(one: MetricVerdict) -> list[str]:
    unit = METRICS[one.metric].unit
    logs = [100 * (ratio - 1) for ratio in one.ratios]
    bounds = None if one.low is None or one.high is None else (100 * (one.low - 1), 100 * (one.high - 1))
    return [
        _text(words.title_of(one.metric)),
        _word(str(one.verdict)),
        _text(words.amount(one.baseline, unit)),
        _text(words.amount(one.candidate, unit)),
        _text(words.change(one)),
        dots(logs, bounds, 100 * (one.ratio - 1), "%"),
        _p(one.adjusted_p),
    ]


def _difference_row(one: DifferenceVerdict) -> list[str]:
    accuracy = one.figure == "accuracy"
    scale, unit = (100, "points") if accuracy else (1, "nats")
    bounds = None if one.low is None or one.high is None else (scale * one.low, scale * one.high)
    values = [f"{value:.1%}" if accuracy else f"{value:.3f}" for value in (one.baseline, one.candidate)]
    return [
        one.figure,
        _word(str(one.verdict)),
        *values,
        _text(words.difference(one)),
        dots([scale * value for value in one.pairs], bounds, scale * one.difference, unit),
        _p(one.adjusted_p),
    ]


def dots(values: Sequence[float], bounds: tuple[float, float] | None, centre: float, unit: str) -> str:
    """A dot a pair along an axis, with the interval as a bar below and no change as a line."""
    everything = [*values, *(bounds or ()), centre, 0.0]
    reach = max(SMALLEST.get(unit, 0.01), *map(abs, everything)) * 1.1
    if not math.isfinite(reach):
        return ""

    def x(value: float) -> float:
        return round(WIDTH / 2 + value / reach * (WIDTH / 2 - PAD), 1)

    parts = [_line(x(0), 4, x(0), HEIGHT - 14, "line", 1)]
    # Dots of equal values would hide each other: two of three stand a little lower.
    parts += [_dot(x(value), 10 + 5 * (number % 3), 3, "dot") for number, value in enumerate(values)]
    if bounds:
        parts.append(_line(x(bounds[0]), 28, x(bounds[1]), 28, "ink", 2))
    parts.append(_dot(x(centre), 28, 4, "ink"))
    for value, anchor in ((-reach, "start"), (0.0, "middle"), (reach, "end")):
        place = {"start": PAD, "middle": WIDTH / 2, "end": WIDTH - PAD}[anchor]
        parts.append(
            f'<text x="{place}" y="{HEIGHT - 2}" text-anchor="{anchor}">{value:+.3g} {_text(unit)}</text>'
        )
    said = f"{len(values)} pairs, estimate {centre:+.3g} {unit}"
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{_text(said)}">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int) -> str:
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="var(--{colour})" stroke-width="{width}"/>'


def _dot(x: float, y: float, radius: int, colour: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="var(--{colour})" fill-opacity=".7"/>'


def _curves(curves: Sequence[EpochChange]) -> str:
    """Losses of both sides after the same epochs: of all if they are few, else of some."""
    step = max(1, math.ceil(len(curves) / 8))
    chosen = [*curves[::step], *([] if (len(curves) - 1) % step == 0 else [curves[-1]])]
    names = [
        name
        for name in ("loss", "validation_loss")
        if all(name in side for one in chosen for side in (one.baseline, one.candidate))
    ]
    if not names:
        return ""
    rows = [
        [
            str(one.epoch),
            *(f"{side[name]:.4f}" for name in names for side in (one.baseline, one.candidate)),
        ]
        for one in chosen
    ]
    heading = [
        "after epoch",
        *(f"{name.replace('_', ' ')}, {side}" for name in names for side in ("baseline", "candidate")),
    ]
    return _table(heading, rows)


def _changes(verdict: Verdict) -> str:
    if not verdict.changes:
        return "<p>Nothing that is recorded of the software differs.</p>"
    rows = [map(_text, (one.name, one.baseline, one.candidate)) for one in verdict.changes]
    return "<h2>What differs between the sides</h2>" + _table(("what", "baseline", "candidate"), rows)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{trial}</th>" for trial in heading)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _anchor(trial: TrialVerdict) -> str:
    return _text(f"trial-{trial.key[:16]}")


def _word(said: str) -> str:
    return f'<span class="{_text(said.split()[0])}">{_text(said)}</span>'


def _p(value: float | None) -> str:
    return "—" if value is None else "&lt; 0.0001" if value < 1e-4 else f"{value:.4f}"


def _text(text: object) -> str:
    return html.escape(str(text))
