"""`python -m bench.tracking RESULTS SUITE`: send attempts to MLflow as their names come in."""

import json
import os
import sys
from pathlib import Path

from bench.journal.results import Attempt, SuiteResults
from bench.lifeline import die_with
from bench.tracking.sent import mark_sent
from bench.tracking.store import without_password

_POLITENESS = 10


def main(results: SuiteResults, parent: int) -> None:
    """Read `<cell id>/<attempt>` lines; say when each begins and ends, as JSON lines.

    The first one that fails is the last one tried: a dead server must not cost a time-out an attempt.
    """
    die_with(parent)
    os.nice(_POLITENESS)  # beside it, cells are being measured
    projection = None
    failed = False
    for line in sys.stdin:
        name = line.strip()
        cell_id, _, number = name.rpartition("/")
        attempt = Attempt(results.cells / cell_id / f"attempt-{number}")
        _say("recording_started", attempt=name)
        reason = None
        if not failed:
            try:
                if projection is None:
                    # Loads MLflow, which takes seconds: not before there is something to send.
                    from bench.tracking.projection import Projection

                    projection = Projection(results)
                projection.send(attempt)
                mark_sent(attempt, projection.store)
            except Exception as error:
                failed = True
                reason = without_password(" ".join(str(error).split()))[:200] or type(error).__name__
        _say("recording_ended", attempt=name, sent=not failed, reason=reason)


def _say(event: str, **content) -> None:
    print(json.dumps({"event": event, **content}), flush=True)


if __name__ == "__main__":
    main(SuiteResults(Path(sys.argv[1]), sys.argv[2]), int(sys.argv[3]))
