"""The answer, first: which configuration is worth its time, and what more would cost."""

from itertools import pairwise

from bench.report.page.html import Markup, element, rows_of
from bench.report.pareto import Candidate, best_of, front, worth_its_time
from bench.report.writers import amount, bounds, duration, durations

MOST_ROWS = 15


def answer(found: list[Candidate], disturbed: int = 0) -> Markup:
    """Two or three sentences and the Pareto front; where nothing is done, that.

    Args:
        found: See `bench.report.pareto.candidates`.
        disturbed: How many trials were disturbed while they were timed.
    """
    worth, best = worth_its_time(found), best_of(found)
    if worth is None or best is None:
        return element("div", element("p", "Nothing is done yet, so there is no answer yet."), cls="answer")
    sentences = [_worth(worth, best, len(found))]
    if worth is not best:
        sentences.append(_best(worth, best))
    spread = _no_better(found, best)
    if spread:
        sentences.append(spread)
    if disturbed:
        trials = "1 trial was" if disturbed == 1 else f"{disturbed} trials were"
        said = f"{trials} disturbed while timed, so these times may not be their own: see Every trial."
        sentences.append(element("p", said))
    return Markup(element("div", *sentences, cls="answer") + _front(found, worth))


def _worth(worth: Candidate, best: Candidate, count: int) -> Markup:
    if count == 1:
        said = f" comes to {_accuracy(worth)} in {duration(worth.seconds)}. Nothing else is done yet."
    elif worth is best:
        said = f" is worth its time: {_accuracy(worth)}, the best of {count}, in {duration(worth.seconds)}."
    else:
        said = f" is worth its time: {_accuracy(worth)} in {duration(worth.seconds)}."
    return element("p", element("b", worth.name), said)


def _best(worth: Candidate, best: Candidate) -> Markup:
    times = best.seconds / worth.seconds
    gained = (best.accuracy - worth.accuracy) * 100
    how_long = f"{times:.1f} times as long" if times < 10 else f"{times:.0f} times as long"
    more = f"{gained:.1f} points more" if gained >= 0.05 else "the same accuracy"
    return element(
        "p",
        f"The most accurate, {best.name}, has {more} and takes {how_long} ({duration(best.seconds)}); "
        "its 95 % interval holds the other's accuracy, so the test images do not show that it is better.",
    )


def _no_better(found: list[Candidate], best: Candidate) -> Markup | None:
    if best.low is None or len(found) < 3:
        return None
    alike = sum(one.accuracy >= best.low for one in found)
    return element(
        "p",
        f"{alike} of {len(found)} configurations {'lies' if alike == 1 else 'lie'} within that interval "
        f"({bounds(best.low, best.high)} %). Worth its time is the fastest of them.",
    )


def _front(found: list[Candidate], worth: Candidate) -> Markup:
    rows, before = [], None
    shown = front(found)[:MOST_ROWS]
    time = durations(one.seconds for one in shown)
    longer_by = durations(after.seconds - one.seconds for one, after in pairwise(shown))
    for one in shown:
        more = "" if before is None else f"+{(one.accuracy - before.accuracy) * 100:.1f}"
        longer = "" if before is None else f"+{longer_by(one.seconds - before.seconds)}"
        interval = "" if one.low is None else bounds(one.low, one.high)
        joules = amount("J")(one.joules)
        rows.append(
            [one.name, f"{one.accuracy * 100:.1f}", interval, time(one.seconds), joules, more, longer]
        )
        before = one
    headings = ["On the Pareto front", "balanced %", "95 %", "time to result", "energy", "points more", "for"]
    if not any(row[4] for row in rows):
        headings, rows = _without(4, headings), [_without(4, row) for row in rows]
    note = (
        "Everything else takes longer without being more accurate. Balanced accuracy is the mean of the "
        "classes' "
        "accuracies on the test part; time to result runs from the start of the process to the test metrics."
    )
    marked = rows_of(headings, rows)
    name = element("td", worth.name)
    marked = Markup(marked.replace(f"<tr>{name}", f'<tr class="worth">{name}', 1))
    return element("div", marked, element("p", note, cls="note"), cls="table")


def _accuracy(one: Candidate) -> str:
    interval = "" if one.low is None else f" (95 %: {bounds(one.low, one.high)})"
    return f"{one.accuracy * 100:.1f} % balanced accuracy{interval}"


def _without(index: int, values: list[str]) -> list[str]:
    return values[:index] + values[index + 1 :]
