"""Live comparisons of A with A, with a defect or without: what `bench regress` says of each.

`python tests/evidence/live.py WORK aa slower slower-predict wrong-labels [--runs 3]` prints a line a comparison. The
noise of A against A is measured by the first one and kept for the others. `--suite FILE` may have several trials.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from equipment.planted.interpreter import plant  # noqa: E402

DEFECTS = {
    "aa": {},
    "slower": {"slower": 0.10},
    "slower-predict": {"predict": 0.10},
    "wrong-labels": {"wrong_labels": 0.20},
}
EXPECTED = {"aa": (0, 4), "slower": (1,), "slower-predict": (1,), "wrong-labels": (1,)}
"""Exit codes that agree with what was planted; 4 is no false alarm."""


def main() -> int:
    """Run them; 1 if one disagrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("kinds", nargs="+", choices=DEFECTS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pairs", default="auto")
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--python", default=sys.executable, help="what runs the trials")
    parser.add_argument("--suite", type=Path, default=HERE / "lenet5.toml")
    wanted = parser.parse_args()
    wanted.work.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for number in range(1, wanted.runs + 1):
        for kind in wanted.kinds:
            code, said = compare(wanted, kind, f"{kind}-{number}")
            wrong += code not in EXPECTED[kind]
            print(f"{kind} {number}: exit code {code}; {said}", flush=True)
    return int(wrong > 0)


def compare(wanted: argparse.Namespace, kind: str, name: str) -> tuple[int, str]:
    """Exit code, and what the verdict claims in how many minutes and pairs."""
    candidate = plant(wanted.work / f"python-{kind}", wanted.python, **DEFECTS[kind])
    command = [
        sys.executable,
        "-m",
        "bench",
        "regress",
        wanted.suite,
        "--results",
        wanted.work,
        "--name",
        name,
    ]
    command += ["--baseline-python", wanted.python, "--candidate-python", candidate]
    command += ["--pairs", wanted.pairs, "--budget", wanted.budget]
    began = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    took = (time.monotonic() - began) / 60
    try:
        verdict = json.loads((wanted.work / "regress" / name / "regression.json").read_text())
    except OSError:
        return done.returncode, done.stderr.strip()
    pairs = sum(trial["pairs"] for trial in verdict["trials"])
    changed = [said for trial in verdict["trials"] if (said := claims(trial))]
    return (
        done.returncode,
        f"{took:.0f} minutes, {pairs} pairs; {'; '.join(changed) or 'no change is claimed'}",
    )


def claims(trial: dict) -> str:
    """What is said to have changed of a trial; empty where nothing is."""
    words = [trial[what] for what in ("speed", "memory", "learning")]
    said = [word for word in words if word not in ("same", "inconclusive", "not comparable", None)]
    figures = [
        f"{one['metric']} {one['ratio']:.3f}"
        for one in trial["metrics"]
        if one["metric"] in ("fit_time", "throughput") or one["metric"].startswith("latency")
    ]
    return (
        f"{trial['label']} {', '.join(said)} ({trial['pairs']} pairs, {', '.join(figures)})" if said else ""
    )


if __name__ == "__main__":
    sys.exit(main())
