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


CORES = {
    "GTX 1070": (1920, 1683), "GTX 1080": (2560, 1733), "GTX 1080 Ti": (3584, 1582), "TITAN X (Pascal)": (3584, 1531),
    "TITAN Xp": (3840, 1582), "TITAN RTX": (4608, 1770), "RTX 2060": (1920, 1680), "RTX 2070": (2304, 1620),
    "RTX 2080": (2944, 1710), "RTX 2080 Ti": (4352, 1545), "RTX 3060": (3584, 1777), "RTX 3070": (5888, 1725),
    "RTX 3080": (8704, 1710), "RTX 3090": (10496, 1695), "RTX 4070": (5888, 2475), "RTX 4080": (9728, 2505),
    "RTX 4090": (16384, 2520), "P4": (2560, 1063), "P40": (3840, 1531), "P100-PCIE": (3584, 1303),
    "P100-SXM2": (3584, 1480), "V100-PCIE": (5120, 1370), "V100-SXM2": (5120, 1530), "V100-SXM3": (5120, 1530),
    "V100S-PCIE": (5120, 1601), "T4": (2560, 1590), "A2": (1280, 1770), "A10": (9216, 1695), "A30": (3584, 1440),
    "A40": (10752, 1740), "A100-PCIE": (6912, 1410), "A100-SXM4": (6912, 1410), "RTX A4000": (6144, 1560),
    "RTX A5000": (8192, 1695), "RTX A6000": (10752, 1800), "RTX 6000 Ada": (18176, 2505), "L4": (7424, 2040),
    "L40": (18176, 2490), "L40S": (18176, 2520), "H100 PCIe": (14592, 1755), "H100 NVL": (16896, 1785),
    "H100": (16896, 1980), "H200 NVL": (16896, 1785), "H200": (16896, 1980), "GH200": (16896, 1980),
}  # fmt: skip
"""Cores and their clock at boost, MHz."""


@pytest.mark.parametrize("name", CORES)
def test_a_core_multiplies_and_adds_once_in_a_cycle(name: str):
    cores, megahertz = CORES[name]
    assert datasheet_of(f"NVIDIA {name}")["float32"] / 1e12 == pytest.approx(
        2 * cores * megahertz / 1e6, abs=0.35
    )


@pytest.mark.parametrize(
    ("times", "names"),
    [
        (1, ["RTX 3060", "RTX 3070", "RTX 3080", "RTX 3090", "RTX 4070", "RTX 4080", "RTX 4090", "L40"]),
        (2, ["A2", "A10", "A40", "RTX A4000", "RTX A5000", "RTX A6000", "RTX 6000 Ada", "L4", "L40S"]),
        (8, ["A30", "A100-PCIE", "A100-SXM4"]),
        (494.5 / 67, ["H100", "H200", "GH200"]),
        (417.5 / 60, ["H100 NVL", "H200 NVL"]),
    ],
)
def test_tensor_cores_are_so_many_times_as_fast(times: float, names: list[str]):
    for name in names:
        peaks = datasheet_of(name)
        assert peaks["tensorfloat32"] / 1e12 == pytest.approx(times * peaks["float32"] / 1e12, abs=0.65), name


def test_older_cards_have_no_tensor_cores_for_it():
    for name in ("GTX 1070", "TITAN V", "RTX 2080 Ti", "P40", "V100S-PCIE", "V100-SXM3", "T4"):
        assert set(datasheet_of(name)) == {"float32"}
    assert datasheet_of("TITAN V")["float32"] == 13.8e12
