"""`make gpu-check` beside the stand-in: it must not break unseen, for it runs on users' machines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpu_check import training
from gpu_check.__main__ import STEPS, Step, run_step
from gpu_check.report import Line, line, markdown
from gpu_check.steps import STEPS as PROGRAMS

REPOSITORY = Path(__file__).resolve().parents[2]

WITHOUT = """
import sys
for name in ("mlflow", "plotly", "tensorflow", "jax", "torch"):
    sys.modules[name] = None  # an import of it fails
from gpu_check.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def check(folder: Path, *arguments: str, **environment: str) -> tuple[int, dict, str]:
    path = os.pathsep.join(str(REPOSITORY / part) for part in (".", "src", "tests"))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "--output", str(folder), *arguments],
        env={**os.environ, "PYTHONPATH": path, "LEUKOBENCH_LEASES": str(folder / "leases"), **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert (folder / "report.json").exists(), done.stderr
    return done.returncode, json.loads((folder / "report.json").read_text()), done.stderr


def test_it_sees_the_stand_in_and_says_what_is_not_here(nvml, tmp_path):
    code, report, said = check(tmp_path, "--steps", "0,3,5,7", **nvml.environment)
    found = {one["check"]: one for one in report["checks"]}
    assert report["machine"]["model"] == "NVIDIA Stand-In"
    assert found["a GPU is seen"]["verdict"] == "pass"
    assert found["one sample"]["verdict"] == "pass", found["one sample"]
    assert found["fingerprint"]["verdict"] == found["doctor"]["verdict"] == "pass"
    assert found["a second run"]["verdict"] == found["after the first was killed"]["verdict"] == "pass"
    assert {one["verdict"] for one in report["checks"] if one["step"] in (5, 7)} == {"not here"}
    assert code == 0, said
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# GPU check\n\n") and "| a second run | is refused" in text


def test_without_a_gpu_it_ends_with_a_report(tmp_path):
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    code, report, _ = check(tmp_path, "--steps", "3,1", **hidden)
    assert code == 0
    assert {one["verdict"] for one in report["checks"]} == {"not here"}
    assert all("no GPU" in one["measured"] for one in report["checks"])


def test_a_step_that_hangs_or_fails_is_a_line_of_the_report():
    hangs = [sys.executable, "-c", "import time; time.sleep(60)"]
    (slow,) = run_step(Step(0, "slow", 0.5), {}, hangs)
    assert (slow.verdict, slow.measured) == ("fail", "it did not, and was ended")
    (broken,) = run_step(Step(0, "broken", 30.0), {}, [sys.executable, "-c", "raise ValueError('why')"])
    assert (broken.verdict, broken.measured) == ("fail", "ValueError: why")


def test_networks_for_which_no_time_is_left_are_not_here(tmp_path, monkeypatch):
    clock = [0.0]

    def takes_40_s(*command, **variables):
        clock[0] += 40

    record = {"status": "done", "energy": {"trial_j": 1.0}}
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(training, "bench", takes_40_s)
    monkeypatch.setattr(training, "records", lambda folder: [record])
    context = {"gpu": "gpu:0", "backend": "jax", "limit_s": "180"}
    found = list(training.networks(context, tmp_path))
    # The fourth begins at 120 s, 60 s before the end; such a one may take one and a half times as long as the longest.
    assert [one.verdict for one in found] == ["pass"] * 4 + ["not here"] * 6
    assert [one.check for one in found[3:5]] == ["InceptionV3, batch 16", "Xception, batch 16"]
    assert found[4].measured == "no time was left after 160 s: ARGS='--steps 7 --budget 1200'"


def test_the_report_counts_and_escapes():
    lines = [line("a", "b", "c | d", True), line("e", "f", "g", None), Line("h", "i", "j", "fail", 3)]
    text = markdown({"model": "NVIDIA"}, lines)
    assert "1 pass, 1 fail, 1 not here." in text
    assert "| -1 | a | b | c \\| d | pass |" in text


def test_every_step_of_the_plan_has_a_program_and_all_fit_the_time():
    assert sorted(step.number for step in STEPS) == sorted(PROGRAMS) == list(range(11))
    assert {step.number for step in STEPS[:4]} == {0, 1, 5, 8}, "the most telling first"


@pytest.mark.parametrize(("python", "expected"), [("/opt/python", "/opt/python"), ("", ".venv/bin/python")])
def test_make_takes_another_interpreter(python, expected):
    command = ["make", "--dry-run", "gpu-check", *([f"LEUKOBENCH_PYTHON={python}"] if python else [])]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert f"{expected} -P -m gpu_check" in done.stdout
    if python:
        assert "pip" not in done.stdout, "no .venv is needed"
