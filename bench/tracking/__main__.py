"""`python -m bench.tracking RESULTS SUITE PARENT`: send attempts to MLflow as their names come in."""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.journal.results import SuiteResults
from bench.tracking.process import Recorder
from bench.tracking.store import answers
from bench.worker.protocol import die_with_parent, end_at_once
from bench.worker.startup import own_packages_first

if TYPE_CHECKING:
    from bench.tracking.projection import Projection

_POLITENESS = 10


def main(results: SuiteResults, parent: int) -> None:
    """Read lines `<trial id>/<attempt>`, `*` for all, or none; tell the begin and end of each as JSON lines."""
    die_with_parent(parent)
    os.nice(_POLITENESS)  # trials are being measured beside it

    def projection(results: SuiteResults) -> "Projection":
        from bench.tracking.projection import Projection

        return Projection(results)

    recorder = Recorder(results, projection, lambda: answers(os.environ.get("MLFLOW_TRACKING_URI", "")))
    for line in sys.stdin:
        name = line.strip()
        _say("recording_started", attempt=name)
        reason = recorder.record(name)
        _say("recording_ended", attempt=name, sent=reason is None, reason=reason or None)
    with contextlib.suppress(Exception):  # the next run or `bench sync` brings it up to date
        recorder.end()


def _say(event: str, **content: str | bool | None) -> None:
    print(json.dumps({"event": event, **content}), flush=True)


if __name__ == "__main__":
    own_packages_first()
    main(SuiteResults(Path(sys.argv[1]), sys.argv[2]), int(sys.argv[3]))
    end_at_once(0)
