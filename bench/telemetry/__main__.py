"""`python -m bench.telemetry JOB`: watch the trial that JOB (JSON) names. Edges of phases come on standard input."""

import json
import sys

from bench.telemetry.sampler import Job, watch
from bench.worker.protocol import die_with_parent, end_at_once

if __name__ == "__main__":
    job = Job(**json.loads(sys.argv[1]))
    die_with_parent(job.harness)
    watch(job, sys.stdin.fileno())
    end_at_once(0)
