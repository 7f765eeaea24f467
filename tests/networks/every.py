"""`make networks`: every network builds, trains one step and predicts; writes docs/networks.md.

What is done is kept in results/networks/, so that an interrupted run goes on where it stopped; a network is
checked again when TensorFlow, Keras or its own source has changed. A few networks share a process, whose end
frees their memory; never do two processes run.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

from published import PUBLISHED

from wbc.networks.catalog import NETWORKS

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = REPOSITORY / "results" / "networks" / "rows.jsonl"
TABLE = REPOSITORY / "docs" / "networks.md"
HEADINGS = (
    "network",
    "smallest size",
    "parameters",
    "published",
    "build s",
    "first step s",
    "predict s",
    "result",
)
TOGETHER = 60_000_000
"""A process takes networks until they have so many parameters."""


def main() -> int:
    """Check what is not done yet, write the table; exit code 1 if a network failed, 3 if some are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these networks", metavar="NETWORK")
    parser.add_argument(
        "--graph", action="store_true", help="trace graphs, as a suite does; takes far longer"
    )
    parser.add_argument("--limit", type=float, default=900, help="seconds for each network (900)")
    parser.add_argument(
        "--table", action="store_true", help="write the table of what is there; check nothing"
    )
    arguments = parser.parse_args()
    graph, rows = arguments.graph, _read()
    if not arguments.table:
        wanted = arguments.names or sorted(NETWORKS, key=_order)
        waiting = [name for name in wanted if rows.get(name, {}).get("of") != _fingerprint(name, graph)]
        while waiting:
            together = _first(waiting)
            for row in _run(together, arguments.limit, graph):
                rows[row["network"]] = row = {**row, "of": _fingerprint(row["network"], graph)}
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                waiting.remove(row["network"])
                print(_line(row), flush=True)
    missing = [name for name in NETWORKS if rows.get(name, {}).get("of") != _fingerprint(name, graph)]
    _write(rows, missing, graph)
    failed = [name for name, row in rows.items() if row["wrong"]]
    print(f"{TABLE.relative_to(REPOSITORY)}: {len(NETWORKS) - len(missing)} of {len(NETWORKS)} networks")
    return 1 if failed else 3 if missing else 0


def _order(name: str) -> tuple:
    """Networks of the papers first, then from small to large."""
    return not NETWORKS[name].builder, PUBLISHED[name].parameters


def _first(names: list[str]) -> list[str]:
    """The networks of the next process."""
    together, parameters = [], 0
    for name in names:
        parameters += PUBLISHED[name].parameters
        if together and parameters > TOGETHER:
            break
        together.append(name)
    return together


def _run(names: list[str], limit: float, graph: bool):
    """Yield a row for each network; when one takes too long or kills its process, no more than its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(Path(__file__).with_name("one.py")), *["--graph"] * graph, *names]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        left = list(names)
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        while left:
            timer = threading.Timer(limit, end)
            timer.start()
            line = process.stdout.readline()
            timer.cancel()
            if not line:
                reason = f"not done within {limit:g} s" if late.is_set() else f"exit code {process.wait()}"
                yield {"network": left[0], "wrong": [reason]}
                return
            row = json.loads(line)
            left.remove(row["network"])
            yield row


def _read() -> dict[str, dict]:
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    return {row["network"]: row for row in map(json.loads, lines) if row["network"] in NETWORKS}


def _fingerprint(name: str, graph: bool) -> str:
    """What a row was measured with."""
    parts = [metadata.version("keras"), _tensorflow(), "graph" if graph else "eager"]
    if NETWORKS[name].builder:
        folder = REPOSITORY / "src" / "wbc" / "networks" / "papers"
        content = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
        parts.append(hashlib.sha256(content).hexdigest()[:12])
    return " ".join(parts)


def _tensorflow() -> str:
    for distribution in ("tensorflow", "tensorflow-cpu"):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "none"


def _line(row: dict) -> str:
    return f"{row['network']:26} {row.get('step_s', '-')!s:>7} s  {'; '.join(row['wrong']) or 'ok'}"


def _write(rows: dict[str, dict], missing: list[str], graph: bool) -> None:
    """Write the table, whole."""
    columns = list(HEADINGS)
    table = [columns, ["---"] * len(columns)]
    notes: dict[str, list[str]] = {}
    for name in sorted(NETWORKS, key=str.lower):
        if name in missing:
            continue
        row, published = rows[name], PUBLISHED[name]
        rounded = published.within and published.parameters > 1e6
        digits = f"{published.parameters / 1e6:.1f} M" if rounded else f"{published.parameters:,}"
        notes.setdefault(published.source, []).append(name)
        table.append(
            [
                name,
                str(row.get("size", "")),
                f"{row['parameters']:,}" if "parameters" in row else "",
                digits,
                *(str(row.get(key, "")) for key in ("build_s", "step_s", "predict_s")),
                "; ".join(row["wrong"]) or "ok",
            ]
        )
    text = HEADER.format(
        done=len(NETWORKS) - len(missing),
        count=len(NETWORKS),
        missing=f" Missing: {', '.join(missing)}." if missing else "",
        keras=metadata.version("keras"),
        tensorflow=_tensorflow(),
        how="Steps include the tracing of their graphs."
        if graph
        else "Steps run without a graph; a suite traces one once for each trial (`--graph` measures that).",
    )
    text += "\n".join("| " + " | ".join(line) + " |" for line in table) + "\n\n## Published numbers\n\n"
    for source, names in notes.items():
        text += f"- {', '.join(names)}: {source}.\n"
    reasons: dict[str, list[str]] = {}
    for name, published in PUBLISHED.items():
        if published.note:
            reasons.setdefault(published.note, []).append(name)
    text += "\n## Where numbers differ\n\n"
    text += "".join(f"- {', '.join(names)}: {reason}.\n" for reason, names in reasons.items())
    partial = TABLE.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(TABLE)


HEADER = """# Networks

Every network is built at the smallest images that it accepts, takes one training step on two images, and
predicts once. The result is `ok` if

- loss and probabilities are finite, and the probabilities add up to one,
- weights have changed,
- the number of parameters is the published one, or the difference is explained below.

{done} of {count} networks.{missing} `make networks` made this page with Keras {keras} and TensorFlow {tensorflow},
on a processor. {how} Sizes are in pixels. Times depend on what else the machine did.

Parameters are counted at the native size and with 1000 classes (LeNet5, StochasticDepthResNet110 and
FractalNet: 10). The statistics of batch normalization are not counted, except for the networks of Keras, whose
documentation counts them.

"""

if __name__ == "__main__":
    sys.exit(main())
