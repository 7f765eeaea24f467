"""The locks, and which of them `make` takes."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def pins(flavour: str) -> dict[str, str]:
    lines = (REPOSITORY / "locks" / f"{flavour}.txt").read_text().splitlines()
    found = [re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", line) for line in lines]
    return {one[1]: one[2] for one in found if one}


def test_cudnn_still_has_code_for_the_card_of_the_thesis():
    """cuDNN 9.11 dropped Pascal and Volta: no convolution runs on a GTX 1080 Ti."""
    version = tuple(map(int, pins("gpu")["nvidia-cudnn-cu12"].split(".")))
    assert (9,) <= version < (9, 11)
    assert "nvidia-cudnn-cu12<9.11" in (REPOSITORY / "pyproject.toml").read_text()


def test_both_flavours_pin_the_same_versions():
    cpu, gpu = pins("cpu"), pins("gpu")
    assert {name: (cpu[name], gpu[name]) for name in cpu.keys() & gpu.keys() if cpu[name] != gpu[name]} == {}


def flavour(**variables: str) -> str:
    arguments = [f"{name}={value}" for name, value in variables.items()]
    command = ["make", "--silent", "--eval", "flavour: ; @echo $(FLAVOUR)", "flavour", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("driver", "found"), [("", "cpu"), ("/dev/nvidiactl", "gpu")])
def test_a_driver_decides_the_flavour(driver: str, found: str):
    assert flavour(DRIVER=driver) == found


def test_wsl_2_has_no_such_file_but_its_own_device():
    text = (REPOSITORY / "Makefile").read_text()
    assert "$(and $(wildcard /dev/dxg),$(wildcard /usr/lib/wsl/lib/libcuda.so.1))" in text
