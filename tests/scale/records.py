"""What it takes to read 10,000 records of real size, beside `json.loads` of the same files: `make scale`.

The decoder checks every field, and still must take no more time and memory than plain dictionaries do.
"""

import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY), str(REPOSITORY / "src")]

from equipment.results.records import a_record, a_trial, some_metrics  # noqa: E402

from bench.trials.measured import (  # noqa: E402
    DeviceTelemetry,
    Operation,
    Profile,
    Sampler,
    Summary,
    Telemetry,
)
from bench.trials.origin import Environment  # noqa: E402
from bench.trials.record import Record, decode_record, record_to_json  # noqa: E402
from wbc.observer import PHASES  # noqa: E402

COUNT = 10_000
GAUGES = ("cpu_percent", "rss_bytes", "machine_cpu", "cpu_pressure", "steal", "run_queue_wait", "foreign_cpu")
GPU_GAUGES = ("utilization", "memory_bytes", "power_w", "sm_activity", "tensor_activity", "dram_activity")
COUNTERS = ("cpu_s", "machine_busy_s", "slot_busy_s", "steal_s", "pressure_s", "run_queue_wait_s")


def real_size(seed: int) -> Record:
    """A record as a trial on one GPU leaves it, with telemetry, a trace and 130 packages: some 35 kB."""
    draw = random.Random(seed)

    def summaries(names: tuple[str, ...]) -> dict[str, dict[str, Summary]]:
        return {phase: {name: summary() for name in names} for phase in PHASES}

    def summary() -> Summary:
        return Summary(mean=draw.random(), p95=draw.random(), max=draw.random(), samples=draw.randrange(999))

    device = DeviceTelemetry(
        phases=summaries(GPU_GAUGES),
        counters={phase: {"energy_j": draw.random()} for phase in PHASES},
        unavailable={"fp16_activity": "the driver does not tell it"},
        methods={"energy_j": "the GPU's own counter"},
    )
    telemetry = Telemetry(
        interval_s=0.1,
        cores=16,
        longest_line_s=0.4,
        phases=summaries(GAUGES),
        counters={phase: {name: draw.random() for name in COUNTERS} for phase in PHASES},
        unavailable={},
        devices={"gpu:0": device},
        sampler=Sampler(cpu_s=draw.random(), samples=900, complete=True),
        contention={},
    )
    operations = tuple(
        Operation(op=f"gradient_tape/network/block{number}/Conv2DBackpropFilter", self_s=0.1, share=0.1)
        for number in range(10)
    )
    profile = Profile(
        steps=5,
        wall_s=draw.random(),
        input_stall=draw.random(),
        kinds={"convolution": draw.random(), "data": draw.random()},
        top=operations,
        kernel_busy=draw.random(),
        copies_s=draw.random(),
        trace="trace/plugins/profile/2026_03_01/machine.xplane.pb",
    )
    packages = {f"package-{number}": f"{number}.{draw.randrange(9)}" for number in range(130)}
    shares = {f"CLASS-{number}": draw.random() for number in range(8)}
    return a_record(
        a_trial(seed=seed),
        telemetry=telemetry,
        profile=profile,
        environment=Environment(backend="tensorflow", packages=packages),
        test=some_metrics(per_class_accuracy=shares, precision=shares, f1=shares, auc=shares),
    )


def read(how: str, folder: Path) -> None:
    """Read and keep every record; print the seconds of CPU and the bytes that it took."""
    files = sorted(folder.iterdir())
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    if how == "decoder":
        kept = [decode_record(file.read_bytes(), file) for file in files]
    else:
        kept = [json.loads(file.read_bytes()) for file in files]
    seconds = time.process_time() - began
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held
    print(json.dumps([len(kept), seconds, held * 1024]))


def measure(how: str, folder: Path) -> tuple[float, float]:
    """`read` in a process of its own."""
    with os.popen(f"{sys.executable} {__file__} {how} {folder}") as answer:
        count, seconds, held = json.load(answer)
    print(f"{how:8}: {seconds:5.2f} s of CPU, {held / 1e6:5.0f} MB for {count:,} records", flush=True)
    return seconds, held


def main() -> int:
    """1 where the decoder takes more time or memory than `json.loads`."""
    if len(sys.argv) > 1:
        read(sys.argv[1], Path(sys.argv[2]))
        return 0
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        for number in range(COUNT):
            content = json.dumps(record_to_json(real_size(number)), indent=1)
            (folder / f"{number:05}.json").write_text(content)
        print(f"{len(content) / 1e3:.0f} kB a record")
        plain, decoded = measure("json", folder), measure("decoder", folder)
    within = all(new <= old for new, old in zip(decoded, plain, strict=True))
    print("within bounds" if within else "slower or larger than json.loads")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
