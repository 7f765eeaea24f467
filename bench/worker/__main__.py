"""`python -m bench.worker FOLDER`: run the trial described by FOLDER/trial.json."""

import sys
from pathlib import Path

from bench.worker.process import run_trial
from bench.worker.protocol import end_at_once
from bench.worker.startup import own_packages_first

if __name__ == "__main__":
    own_packages_first()
    end_at_once(run_trial(Path(sys.argv[1])))
