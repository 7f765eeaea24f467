"""`python -m bench.worker FOLDER`: run the trial described by FOLDER/trial.json."""

import sys
from pathlib import Path

from bench.worker.process import run_trial

if __name__ == "__main__":
    sys.exit(run_trial(Path(sys.argv[1])))
