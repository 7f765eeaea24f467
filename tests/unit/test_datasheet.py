"""Names of GPUs as drivers write them, and what their datasheets promise."""

import pytest

from bench.devices.datasheet import datasheet_of


@pytest.mark.parametrize(
    ("name", "peaks"),
    [
        ("NVIDIA GeForce GTX 1080 Ti", {"float32": 11.3e12}),
        ("GeForce GTX 1080", {"float32": 8.9e12}),
        ("Tesla V100-SXM2-16GB", {"float32": 15.7e12}),
        ("Tesla P100-PCIE-16GB", {"float32": 9.3e12}),
        ("2 x NVIDIA A100-SXM4-80GB", {"float32": 19.5e12, "tensorfloat32": 156e12}),
        ("NVIDIA A100 80GB PCIe", {"float32": 19.5e12, "tensorfloat32": 156e12}),
        ("NVIDIA H100 80GB HBM3", {"float32": 67e12, "tensorfloat32": 494.5e12}),
        ("NVIDIA H100 PCIe", {"float32": 51e12, "tensorfloat32": 378e12}),
        ("NVIDIA RTX 6000 Ada Generation", {"float32": 91.1e12, "tensorfloat32": 182.1e12}),
    ],
)
def test_known_gpus(name: str, peaks: dict):
    assert datasheet_of(name) == pytest.approx(peaks)


@pytest.mark.parametrize(
    "name",
    ["NVIDIA GeForce RTX 3080 Laptop GPU", "NVIDIA GeForce RTX 3080 Ti", "NVIDIA A100X", "", "AMD EPYC"],
)
def test_a_gpu_that_only_resembles_a_known_one_is_not_known(name: str):
    assert datasheet_of(name) is None
