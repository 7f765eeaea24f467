"""The whole suite of the thesis on two cards of the stand-in, by a worker that only pretends to train."""

import json
import threading
import time
from pathlib import Path

import pytest
from equipment.nvml.stand_in import REPOSITORY, StandIn

PRETENDER = REPOSITORY / "tests" / "equipment" / "pretender.sh"

RUN = """
import contextlib, functools, json, os, sys
from dataclasses import replace
from pathlib import Path
from bench.runner import local
from bench.runner import suite as runner
from bench.runner.local import LocalEngine
from bench.suite import resolve
from bench.trials.sampling import TelemetrySettings

pretender, folder, whole_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

class Speaker:
    said = []
    def say(self, message):
        self.said.append(message)
    def plan(self, planned, slots):
        total = sum(one.seconds for one in planned)
        lines = [f"{one.trial.id} {one.seconds / total * whole_s * len(slots):.3f}" for one in planned]
        Path(os.environ["PRETEND"]).write_text("\\n".join(lines) + "\\n")
        leases = sorted(path.stem for path in (folder / "leases").iterdir())
        (folder / "leased.json").write_text(json.dumps(leases))
    def trial_started(self, *told): ...
    event = trial_ended = trial_started

class Unrecorded(contextlib.nullcontext):
    def filenos(self): return []
    def pump(self): return []
    def prepare(self): ...
    def send(self, attempt): ...
    def settle(self, interrupted): ...
    def catch_up(self): ...

def fetched(downloads):
    return {one.path: replace(one.source, kind="keras-cache", sha256="0" * 64) for one in downloads}

local.LocalEngine = lambda slots, users, **more: LocalEngine(
    slots, users, python=pretender, **{**more, "telemetry": TelemetrySettings(enabled=False)})
runner.RecordingProcess = lambda results, say: (lambda one: contextlib.nullcontext(one))(Unrecorded())
runner.prepare_data = lambda *told: None
resolve.fetch = fetched
outcome = runner.run_suite(
    folder / "thesis.toml", folder / "results", Speaker(), runner.RunOptions(devices="gpu:0,gpu:1"))
print(json.dumps([len(outcome.trial_ids), outcome.failed, Speaker.said]))
"""


@pytest.fixture
def thesis(nvml: StandIn, tmp_path: Path):
    """Runs the suite in about so many seconds on both cards; what it left behind."""
    variables = {
        "LEUKOBENCH_LEASES": str(tmp_path / "leases"),
        "PRETEND": str(tmp_path / "seconds.txt"),
        "LOST": str(tmp_path / "lost.txt"),
    }

    # Nothing is drawn or downloaded: as many images as the thesis had, but of a source that is always there.
    suite = (REPOSITORY / "suites" / "thesis.toml").read_text()
    assert 'source = "bccd"' in suite
    (tmp_path / "thesis.toml").write_text(suite.replace('source = "bccd"', 'source = "synthetic"'))

    def run(whole_s: float) -> tuple[int, list[str], list[str], list[tuple[str, str, float, float, str]]]:
        count, failed, said = nvml.python(RUN, PRETENDER, tmp_path, whole_s, **variables)
        attempts = []
        for path in sorted((tmp_path / "results").glob("*/trials/*/attempt-*")):
            lines = [json.loads(text) for text in (path / "runner.jsonl").read_text().splitlines()]
            began, ended = (
                next(line for line in lines if line["event"] == event) for event in ("started", "ended")
            )
            record = json.loads((path / "result.json").read_text())
            outcome = record["failure"]["kind"] if record.get("failure") else "done"
            attempts.append(
                (path.parent.name, began["slot"]["name"], began["t"] / 1e9, ended["t"] / 1e9, outcome)
            )
        return count, failed, said, attempts

    return run


def test_the_thesis_fills_both_cards(thesis, tmp_path):
    count, failed, _, attempts = thesis(12.0)
    assert (count, failed) == (26, [])
    assert len(attempts) == 26
    assert json.loads((tmp_path / "leased.json").read_text()) == [StandIn.uuid(0), StandIn.uuid(1)]
    assert list((tmp_path / "leases").iterdir()) == [], "both are given back"
    lengths = [ended - began for _, _, began, ended, _ in attempts]
    took = max(ended for *_, ended, _ in attempts) - min(began for _, _, began, *_ in attempts)
    bound = max(max(lengths), sum(lengths) / 2)
    assert took <= 1.05 * bound, f"{took:.2f} s against {bound:.2f} s"


def test_a_card_that_is_lost_in_the_middle_leaves_its_trial_to_the_other(thesis, nvml, tmp_path):
    def lose():
        seconds = tmp_path / "seconds.txt"
        while not seconds.exists():
            time.sleep(0.05)
        time.sleep(2.0)
        nvml.lose(0)
        (tmp_path / "lost.txt").write_text(StandIn.uuid(0))

    losing = threading.Thread(target=lose, daemon=True)
    losing.start()
    count, failed, said, attempts = thesis(5.0)
    losing.join()
    assert (count, failed) == (26, [])
    assert "gpu:0 is lost: no further trial runs there, 1 slot left." in said
    lost = [attempt for attempt in attempts if attempt[-1] != "done"]
    ((trial, slot, _, at, outcome),) = lost
    assert (slot, outcome) == ("gpu:0", "gpu-lost")
    assert [one[1] for one in attempts if one[0] == trial and one[-1] == "done"] == ["gpu:1"]
    assert {one[1] for one in attempts if one[2] > at} == {"gpu:1"}
