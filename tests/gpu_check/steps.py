"""`python -m gpu_check.steps NUMBER CONTEXT FOLDER`: one step of the check; prints each line as JSON once it is known.

Every step uses leukobench as its users do: the command line, the sampler, leases, records.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from gpu_check import driver, training, watching
from gpu_check.report import Line
from gpu_check.tools import Context

STEPS: dict[int, Callable[[Context, Path], Iterator[Line]]] = {
    0: driver.seen,
    1: watching.telemetry,
    2: driver.processes,
    3: driver.leases,
    4: training.full,
    5: training.epochs,
    6: training.trace,
    7: training.networks,
    8: training.head,
    9: watching.reference,
    10: watching.overhead,
}

if __name__ == "__main__":
    for one in STEPS[int(sys.argv[1])](json.loads(sys.argv[2]), Path(sys.argv[3])):
        print(json.dumps(asdict(one)), flush=True)
