"""`python -m bench.telemetry JOB`: watch the cell that JOB (JSON) names; phases come on standard input."""

import json
import os
import sys

from bench.lifeline import die_with
from bench.telemetry.sampler import Job, watch

if __name__ == "__main__":
    job = Job(**json.loads(sys.argv[1]))
    die_with(job.harness)
    watch(job, sys.stdin.fileno())
    sys.stdout.flush()
    os._exit(0)  # the interpreter's own farewell takes longer than the parent should wait
