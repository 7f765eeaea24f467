"""A load beside a trial: `python load.py KIND DOSE` works for a share of each tenth of a second until it is killed.

`core`: one core is busy. `bandwidth`: one core copies memory. `sibling`: all cores multiply matrices, as a
second training does.
"""

import sys
import time

import numpy as np

PERIOD_S = 0.1

KINDS = ("core", "bandwidth", "sibling")


def main() -> None:
    """Never returns."""
    kind, dose = sys.argv[1], float(sys.argv[2])
    small = np.random.default_rng(0).standard_normal((400, 400)).astype(np.float32)
    large = np.zeros(64 << 20, np.uint8) if kind == "bandwidth" else small
    copy = large.copy()
    while True:
        began = time.perf_counter()
        while time.perf_counter() < began + dose * PERIOD_S:
            if kind == "sibling":
                np.matmul(small, small)
            elif kind == "bandwidth":
                np.copyto(copy, large)
        time.sleep(max(0.0, began + PERIOD_S - time.perf_counter()))


if __name__ == "__main__":
    main()
