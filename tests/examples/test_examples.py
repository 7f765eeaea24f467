"""The programs in the documentation run as they stand there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "program", sorted((REPOSITORY / "docs" / "examples").glob("*.py")), ids=lambda path: path.name
)
def test_a_program_runs(program: Path, tmp_path: Path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "speed inconclusive, learning" in done.stdout  # one pair says nothing of speed
