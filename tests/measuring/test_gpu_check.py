"""Steps of `make gpu-check` that compute, to their end: the stand-in lists a GPU, and the processor does its work.

No figure of theirs means anything here. What is tested is that each step ends with its lines, and without an error of
its own, before it meets a real GPU.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
REHEARSAL = REPOSITORY / "tests" / "equipment" / "rehearsal"

LINES = {
    2: {"memory of a process", "a stranger", "in a namespace of its own"},
    8: {"the head, 25,088 x 256, `fit`"},
    9: {"reference work", "TF32"},
    10: {"sampling"},
}
"""Step -> the checks that it reports at least."""


@pytest.fixture
def report(nvml, tmp_path):
    nvml.count_energy(0, 250_000)
    nvml.set(0, gpm=1, values={"gpm.5": 20, "gpm.10": 10, "gpm.12": 40, "utilization.gpu": 98})
    seems = tmp_path / "packages" / "tensorflow-2.21.0.dist-info"
    seems.mkdir(parents=True)
    (seems / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow\nVersion: 2.21.0\n")
    path = [REHEARSAL, seems.parent, *(REPOSITORY / part for part in (".", "src", "tests"))]
    steps, patient = ",".join(map(str, LINES)), ("--budget", "900")
    subprocess.run(
        [sys.executable, "-P", "-m", "gpu_check", "--output", str(tmp_path), "--steps", steps, *patient],
        env={
            **os.environ,
            **nvml.environment,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "GPU_CHECK_DIVISOR": "16",
            "GPU_CHECK_PATIENCE": "6",
            "LEUKOBENCH_LEASES": str(tmp_path / "leases"),
        },
        timeout=1000,
        check=False,
    )
    return json.loads((tmp_path / "report.json").read_text())


def test_steps_that_compute_come_to_their_end(report):
    assert report["machine"]["backend"] == "tensorflow"
    said = {step: {one["check"] for one in report["checks"] if one["step"] == step} for step in LINES}
    for step, lines in LINES.items():
        assert lines <= said[step], [one for one in report["checks"] if one["step"] == step]
    assert not [one for one in report["checks"] if one["criterion"].startswith("ends ")]
