"""`python -m bench` in processes of its own, and a small suite for it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

TINY = """
[suite]
name = "tiny"

[data]
source = "synthetic"
image_size = 32
train_images_per_class = 6
validation_images_per_class = 2
test_images_per_class = 4

[training]
weights = "random"
deterministic = true
optimizer = {{ name = "Adam", learning_rate = 1e-3, decay = 0 }}
epochs = {epochs}

[[matrix]]
mode = {modes}
backbone = "LeNet5"
"""


def tiny_suite(folder: Path, epochs="2", modes='["transfer", "scratch"]', more: str = "") -> Path:
    """Write the suite; `epochs` and `modes` are TOML, and `more` are further tables."""
    path = folder / "tiny.toml"
    path.write_text(TINY.format(epochs=epochs, modes=modes) + more)
    return path


@dataclass(frozen=True)
class Bench:
    """`python -m bench` with a results folder of its own."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *arguments) -> list[str]:
        return [sys.executable, "-m", "bench", *map(str, arguments), "--results", str(self.results)]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        # A closed port on loopback stands for the internet: no test may reach out.
        nowhere = "http://127.0.0.1:9"
        return {**kept, "HTTPS_PROXY": nowhere, "https_proxy": nowhere, "HTTP_PROXY": nowhere, **more}

    def __call__(self, *arguments, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments),
            cwd=REPOSITORY,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@dataclass(frozen=True)
class Ran:
    """A finished run of the tiny suite."""

    bench: Bench
    suite: Path
    first: subprocess.CompletedProcess
