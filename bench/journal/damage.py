"""What a results folder holds that nobody of us wrote: files of others, and lines in journals that are none."""

import msgspec

from bench.journal.results import SuiteResults
from bench.journal.runs import runs_file

_RAW = msgspec.json.Decoder(msgspec.Raw)


def warnings_of(results: SuiteResults) -> list[str]:
    """A sentence about files of others and one about damaged journals; none where all is well.

    Every verb that reads results prints them once.
    """
    return list(filter(None, (results.strays(), broken_lines(results))))


def broken_lines(results: SuiteResults) -> str:
    """A sentence where journals have lines that are no JSON, with what becomes of them; else empty.

    A last line without its end is none of them: that is how a process that was killed leaves its journal.
    """
    attempts = results.all_attempts()
    journals = [path for attempt in attempts for path in (attempt.events, attempt.runner_events)]
    found = []
    for path in (*journals, runs_file(results)):
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except OSError:  # missing, or a folder: who reads it says so
            continue
        found += [f"{path}, line {number}" for number, line in enumerate(lines, start=1) if _is_broken(line)]
    if not found:
        return ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return (
        f"{found[0]}{more} is not JSON and is passed over. The attempt counts without what the line said; "
        "if that is too little, repeat the trial with run --fresh."
    )


def _is_broken(line: bytes) -> bool:
    try:
        _RAW.decode(line)
        line.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return not line.lstrip().startswith(b"{")
