"""Work and memory of the thesis' networks, against publications and TensorFlow's allocator: `make memory`.

Each row runs in a process of its own; rows that are in the results are not run again. Writes
`docs/memory.md`.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "results" / "memory.jsonl"
TABLE = HERE.parents[1] / "docs" / "memory.md"

THESIS = (
    "VGG16",
    "VGG19",
    "InceptionV3",
    "Xception",
    "ResNet50",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
)
LARGE = (("VGG16", 224), ("ResNet50", 224), ("DenseNet121", 224))
WITHIN_MACS, WITHIN_MEMORY = 0.02, 0.10


@dataclass(frozen=True)
class Published:
    """Billions of multiply-accumulates for an image, with the top; a range where publications differ."""

    low: float
    high: float
    source: str


PUBLISHED = {
    "VGG16": Published(15.5, 15.5, "15.3 in He et al. 2016; 15.5 in most later tables"),
    "ResNet50": Published(3.86, 3.86, "3.8 in He et al. 2016, table 1; strides in the first convolution"),
    "DenseNet121": Published(2.83, 2.88, "later tables"),
    "Xception": Published(8.4, 8.4, "later tables, at 299 pixels"),
    "MobileNet": Published(0.569, 0.569, "569 million in Howard et al. 2017"),
}


def rows_wanted() -> list[tuple[str, int | None]]:
    """Network and size, None for the smallest."""
    return [*((name, None) for name in (*THESIS, "MobileNet")), *LARGE]


def run(name: str, size: int | None) -> dict:
    """One row, from a process of its own; an error is a row too."""
    command = [sys.executable, str(HERE / "one.py"), name, *([str(size)] if size else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"network": name, "asked": size, "failed": said[-1][:300]}
    return {**json.loads(lines[-1]), "asked": size}


def known() -> dict[tuple[str, int | None], dict]:
    """Rows of earlier runs that did not fail."""
    if not RESULTS.is_file():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    return {(row["network"], row["asked"]): row for row in rows if "failed" not in row}


def problems(row: dict) -> list[str]:
    """What is further off than it may be."""
    if "failed" in row:
        return [row["failed"]]
    if "unavailable" in row:
        return [row["unavailable"]]
    wrong = []
    if published := PUBLISHED.get(row["network"]):
        macs = row["macs"] / 1e9
        if not (1 - WITHIN_MACS) * published.low <= macs <= (1 + WITHIN_MACS) * published.high:
            wrong.append(f"{macs:.3f} GMACs, published {published.low:g} to {published.high:g}")
    ratio = row["analytic"]["allocated"] / row["allocator_peak"]
    if abs(ratio - 1) > WITHIN_MEMORY:
        wrong.append(f"{ratio:.3f} of the allocator's peak")
    if not 1 <= row["tensorflow_flops"] / row["forward_flops"] <= 1.25:
        wrong.append(
            f"TensorFlow counts {row['tensorflow_flops'] / row['forward_flops']:.3f} times as many operations"
        )
    return wrong


def table(rows: list[dict]) -> str:
    """The page."""
    lines = [
        "# Work and memory, compared",
        "",
        "Made by `make memory`. [Work, memory, machine](work.md) defines the metrics.",
        "",
        "## Multiply-accumulates of one image",
        "",
        "With the ImageNet top, at the network's own size. `TensorFlow` is the number of floating-point",
        "operations that its profiler counts at the smallest size, divided by twice the multiply-accumulates.",
        "It also counts additions of biases, activations and pooling.",
        "",
        "| network | GMACs | published | TensorFlow | source |",
        "| --- | --- | --- | --- | --- |",
    ]
    good = [row for row in rows if "analytic" in row]
    batch = good[0]["batch"] if good else ""
    for row in good:
        if row["asked"] is None:
            published = PUBLISHED.get(row["network"])
            low_high = sorted({published.low, published.high}) if published else []
            said = "–".join(f"{value:g}" for value in low_high)
            source = published.source if published else ""
            ratio = row["tensorflow_flops"] / row["forward_flops"]
            lines.append(f"| {row['network']} | {row['macs'] / 1e9:.3f} | {said} | {ratio:.3f} | {source} |")
    lines += [
        "",
        "## Memory of a training step",
        "",
        f"RMSprop, batches of {batch}, on a processor, in MiB. The kinds come from the traced step, at its "
        "highest moment.",
        "`expected` is what the allocator would report of it, `peak` what it did report. `expected` excludes",
        "blocks under 256 KiB, which the processor's allocator does not count, and includes what it hands out",
        "beyond the request.",
        "",
        "| network | size | weights | gradients | optimizer | feature maps | workspace | expected | peak "
        "| ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in good:
        kinds = ("weights", "gradients", "optimizer", "feature_maps", "workspace", "allocated")
        sizes = " | ".join(f"{row['analytic'][kind] / 2**20:.1f}" for kind in kinds)
        peak = row["allocator_peak"]
        lines.append(
            f"| {row['network']} | {row['size']} | {sizes} | {peak / 2**20:.1f} | "
            f"{row['analytic']['allocated'] / peak:.3f} |"
        )
    off = [(row, wrong) for row in rows if (wrong := problems(row))]
    sizes = [
        f"- {row['network']} at {row.get('size') or row['asked'] or 'its smallest size'}" for row, _ in off
    ]
    if off:
        lines += [
            "",
            f"Further off than {WITHIN_MACS:.0%} (work), {WITHIN_MEMORY:.0%} (memory), or without metrics:",
            "",
        ]
        lines += [f"{name}: {'; '.join(wrong)}" for name, (_, wrong) in zip(sizes, off, strict=True)]
    missing = [
        f"{name} at {size or 'its smallest size'}"
        for name, size in rows_wanted()
        if (name, size) not in {(row["network"], row["asked"]) for row in rows}
    ]
    lines += ["", f"Not measured yet: {', '.join(missing)}."] if missing else []
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run what is missing, write the page, and say what is off."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    rows = known()
    for name, size in rows_wanted():
        if (name, size) not in rows:
            row = run(name, size)
            rows[name, size] = row
            with RESULTS.open("a") as file:
                file.write(json.dumps(row) + "\n")
        row = rows[name, size]
        print(f"{name} {size or 'smallest'}: {'; '.join(problems(row)) or 'within bounds'}", flush=True)
        TABLE.write_text(table([rows[key] for key in rows_wanted() if key in rows]))
    return int(any(map(problems, rows.values())))


if __name__ == "__main__":
    sys.exit(main())
