"""Peak rates from NVIDIA's datasheets: operations per second at boost clock, without sparsity."""

import re

_T = 1e12
_COUNT = re.compile(r"^\d+ X ")
_UNTOLD = re.compile(r"NVIDIA|GEFORCE|TESLA|QUADRO|GENERATION|\d+GB|HBM\d\w*")
"""Words of a name that do not matter for the speed."""

_PEAKS = {
    # name: (float32 outside the tensor cores, TF32 in the tensor cores or None)
    "GTX 1070": (6.5, None),
    "GTX 1080": (8.9, None),
    "GTX 1080 TI": (11.3, None),
    "TITAN X (PASCAL)": (11.0, None),
    "TITAN XP": (12.1, None),
    "TITAN V": (13.8, None),
    "TITAN RTX": (16.3, None),
    "RTX 2060": (6.5, None),
    "RTX 2070": (7.5, None),
    "RTX 2080": (10.1, None),
    "RTX 2080 TI": (13.4, None),
    "RTX 3060": (12.7, 12.7),
    "RTX 3070": (20.3, 20.3),
    "RTX 3080": (29.8, 29.8),
    "RTX 3090": (35.6, 35.6),
    "RTX 4070": (29.1, 29.1),
    "RTX 4080": (48.7, 48.7),
    "RTX 4090": (82.6, 82.6),
    "P4": (5.5, None),
    "P40": (11.8, None),
    "P100 PCIE": (9.3, None),
    "P100 SXM2": (10.6, None),
    "V100 PCIE": (14.0, None),
    "V100 SXM2": (15.7, None),
    "V100 SXM3": (15.7, None),
    "V100S PCIE": (16.4, None),
    "T4": (8.1, None),
    "A2": (4.5, 9.0),
    "A10": (31.2, 62.5),
    "A30": (10.3, 82.0),
    "A40": (37.4, 74.8),
    "A100 PCIE": (19.5, 156.0),
    "A100 SXM4": (19.5, 156.0),
    "RTX A4000": (19.2, 38.3),
    "RTX A5000": (27.8, 55.6),
    "RTX A6000": (38.7, 77.4),
    "RTX 6000 ADA": (91.1, 182.1),
    "L4": (30.3, 60.0),
    "L40": (90.5, 90.5),
    "L40S": (91.6, 183.0),
    "H100 PCIE": (51.0, 378.0),
    "H100 NVL": (60.0, 417.5),
    "H100": (67.0, 494.5),  # SXM5
    "H200 NVL": (60.0, 417.5),
    "H200": (67.0, 494.5),
    "GH200": (67.0, 494.5),
}
"""From NVIDIA's product pages, in 10^12 operations per second. GPUs are told apart by their names in NVML."""


def datasheet_of(model: str) -> dict[str, float] | None:
    """Precision -> floating-point operations per second, from the datasheet of a GPU.

    Args:
        model: Its name in NVML, such as `NVIDIA A100-SXM4-80GB`; of several GPUs `2 x NVIDIA A100-SXM4-80GB`.

    Returns:
        `float32` and, if the GPU has tensor cores for it, `tensorfloat32`; None for an unknown GPU. A name that
        only resembles a known one (of a laptop's GPU, with `Ti`) is unknown.
    """
    name = _COUNT.sub("", model.upper()).replace("-", " ")
    words = [word for word in name.split() if not _UNTOLD.fullmatch(word)]
    known = _PEAKS.get(" ".join(words))
    if known is None:
        return None
    plain, tensor = known
    return {"float32": plain * _T, **({"tensorfloat32": tensor * _T} if tensor else {})}
