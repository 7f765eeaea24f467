"""`python -m bench.worker FOLDER`: run the cell described by FOLDER/cell.json."""

import sys
from pathlib import Path

from bench.worker.process import run_cell

if __name__ == "__main__":
    sys.exit(run_cell(Path(sys.argv[1])))
