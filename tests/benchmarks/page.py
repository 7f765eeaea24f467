"""What `make benchmark` writes of finished pairs."""

import statistics

import numpy as np
from benchmarks.comparisons import Comparison, Metric

from bench.compare.discordance import Clusters
from bench.records.steady import LEAST, median_interval


def row(metric: Metric, pairs: list[dict]) -> str:
    """A line of the table."""
    found = sorted(metric.speedup(pair["ours"], pair["theirs"]) for pair in pairs)
    median = statistics.median(found)
    if len(found) >= LEAST:
        low, high = median_interval(found)
        interval = f"{low:.2f} – {high:.2f}"
    else:
        interval = f"{found[0]:.2f} – {found[-1]:.2f} (range)"
    ours, theirs = (
        statistics.median(pair[side][metric.name] for pair in pairs) for side in ("ours", "theirs")
    )
    verdict = "met" if median >= metric.target else "missed"
    scale, unit = (1000, "ms") if metric.unit == "s" and theirs < 1 else (1, metric.unit)
    return (
        f"| {metric.title} | {scale * ours:.4g} {unit} | {scale * theirs:.4g} {unit} | {median:.2f} | {interval} "
        f"| {len(pairs)} | ≥ {metric.target:g} | {verdict} |"
    )


def accuracy(pairs: list[dict]) -> str:
    """The difference of test accuracies, paired by image."""
    better = [(key.split(" ", 2)[2], value) for pair in pairs for key, value in pair["better"].items()]
    clusters = Clusters.of(np.array([value for _, value in better], float), [file for file, _ in better])
    mean, error = 100 * clusters.mean, 196 * clusters.error()
    interval = f"[{mean - error:+.1f}, {mean + error:+.1f}]"
    return (
        f"Test accuracy, leukobench less script, paired by image: {mean:+.1f} points {interval}. The initial weights "
        "of the heads differ; what other seeds would make of that is not in the interval."
    )


def page(found: list[tuple[Comparison, list[dict]]], machine: dict[str, str]) -> str:
    """The whole page."""
    lines = [
        "# Leukobench beside plain Keras",
        "",
        "Made by `make benchmark`. How many times as fast: the median over pairs, with its 95 % interval (the range "
        f"with fewer than {LEAST} pairs). The script is `tests/benchmarks/by_hand.py`.",
        "",
        *(f"- {name}: {value}" for name, value in machine.items()),
        "",
        "| what | leukobench | opponent | times as fast | interval | pairs | target | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(row(metric, pairs) for one, pairs in found if pairs for metric in one.metrics),
    ]
    for one, pairs in found:
        lines += ["", f"## {one.name}", "", one.what]
        if not pairs:
            lines += ["", "Not run."]
            continue
        names = [*(metric.name for metric in one.metrics), *one.beside]
        if one.accuracies:
            lines += ["", accuracy(pairs)]
        columns = [f"{side} {name}" for name in names for side in ("ours", "theirs")]
        lines += [
            "",
            f"| pair | first | load before | {' | '.join(columns)} |",
            "| --- " * (3 + len(columns)) + "|",
        ]
        for number, pair in enumerate(pairs, 1):
            found_of = [pair[side].get(name) for name in names for side in ("ours", "theirs")]
            values = ["–" if value is None else f"{value:.4g}" for value in found_of]
            lines.append(f"| {number} | {pair['first']} | {pair['load']} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"
