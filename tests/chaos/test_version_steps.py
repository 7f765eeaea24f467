"""Five versions in real processes, of which one is a fifth slower; killed in the middle."""

import json
import os
import signal
import subprocess
from pathlib import Path

from command import KNN, REPOSITORY, Bench
from equipment.versions import pretend

NUMBERS = (16, 17, 18, 19, 20)
SLOWER_SINCE, PAIRS = 19, 12


def test_the_one_version_with_a_step_is_named(tmp_path: Path):
    bench, suite = Bench(tmp_path), tmp_path / "tiny.toml"
    suite.write_text(KNN)
    versions = [
        str(
            pretend(
                tmp_path / f"v{number}",
                6.0 if number >= SLOWER_SINCE else 5.0,
                {"scikit-learn": f"1.{number}", "numpy": "2.1" if number >= SLOWER_SINCE else "1.26"},
            )
        )
        for number in NUMBERS
    ]
    command = ("regress", suite, "--versions", *versions, "--pairs", str(PAIRS))
    process = subprocess.Popen(
        bench.command(*command),
        cwd=REPOSITORY,
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    starts = 3 * PAIRS
    for line in process.stderr:
        starts -= "starts" in line
        if not starts:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    results = bench.results / "regress"
    before = {path: path.read_bytes() for path in results.rglob("attempt-*/result.json")}
    assert 0 < len(before) < 4 * 2 * PAIRS

    done = bench(*command, "--json")
    assert done.returncode == 1, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["versions"] == versions
    assert {(one["baseline"], one["candidate"]) for one in found["steps"]} == {(versions[2], versions[3])}
    assert {one["verdict"] for one in found["steps"]} == {"slower"}
    changes = {one["name"].replace("_", "-"): one["candidate"] for one in found["steps"][0]["changes"]}
    assert changes == {"numpy": "2.1", "scikit-learn": "1.19"}
    (fit,) = [one for one in found["lines"] if one["metric"] == "fit_time"]
    assert [level["change"] > 0.1 for level in fit["levels"]] == [False, False, False, True, True]
    # Nothing that was measured before the kill was measured again, but for the pair that it broke.
    after = {path: path.read_bytes() for path in results.rglob("attempt-*/result.json")}
    assert before.items() <= after.items()
    assert 0 <= len(after) - 4 * 2 * PAIRS <= 2

    again = bench("history")
    assert again.returncode == 1 and "A step at v18 -> v19" in again.stdout
