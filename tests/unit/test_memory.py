"""Who was killed because memory ran out."""

import json
from pathlib import Path

import pytest
from equipment.results.records import a_trial

from bench.journal.results import SuiteResults
from bench.machine.host import killed_for_memory
from bench.records.fold import fold

TRIAL = a_trial("LeNet5", epochs=1)


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/user/session\n")
    (proc / "vmstat").write_text("nr_free_pages 5\noom_kill 7\n")
    return proc, cgroups


def test_the_own_cgroup_goes_before_the_machine(machine):
    proc, cgroups = machine
    assert killed_for_memory(proc, cgroups) == 7
    (cgroups / "user" / "session").mkdir(parents=True)
    (cgroups / "user" / "session" / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    assert killed_for_memory(proc, cgroups) == 1


def test_where_nothing_is_told_nobody_was_killed(machine):
    proc, cgroups = machine
    (proc / "vmstat").unlink()
    assert killed_for_memory(proc, cgroups) == 0


@pytest.mark.parametrize(
    ("exit_code", "memory_kills", "log", "kind"),
    [
        (-9, 1, "", "host-oom"),
        (-9, 0, "", "crashed"),
        (-6, 0, "terminate called after throwing an instance of 'std::bad_alloc'\n", "host-oom"),
        (-11, 1, "", "crashed"),
    ],
)
def test_a_worker_that_went_for_memory_is_told_from_a_crash(tmp_path, exit_code, memory_kills, log, kind):
    attempt = SuiteResults(tmp_path, "suite").new_attempt(TRIAL)
    end = {"t": 1, "cpu": 1, "event": "ended", "exit_code": exit_code, "cpu_s": 1.0, "stopped": {}}
    attempt.runner_events.write_text(json.dumps({**end, "memory_kills": memory_kills}) + "\n")
    attempt.log.write_text(log)
    assert fold(attempt).failure.kind == kind
