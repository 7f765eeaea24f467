"""Quotas of processor time, in control groups of both versions."""

from pathlib import Path

import pytest

from bench.devices import cgroup
from bench.devices.cgroup import free_bytes, quota_cores, throttled_s, throttling_files


@pytest.mark.parametrize(
    ("said", "quota"), [("150000 100000", 1.5), ("max 100000", None), ("", None), ("nonsense", None)]
)
def test_the_quota_of_a_control_group(tmp_path: Path, said: str, quota: float | None):
    (tmp_path / "cpu.max").write_text(said)
    assert quota_cores(tmp_path) == quota


def test_the_quota_of_an_old_control_group(tmp_path: Path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert quota_cores(tmp_path) == 2
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    assert quota_cores(tmp_path) is None


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path / "proc", tmp_path / "cgroup"


def group(folder: Path, quota: str, throttled: str = "") -> Path:
    """A group of version 2, or of version 1 where its quota is one number."""
    folder.mkdir(parents=True, exist_ok=True)
    if " " in quota:
        (folder / "cpu.max").write_text(quota)
    else:
        (folder / "cpu.cfs_quota_us").write_text(quota)
        (folder / "cpu.cfs_period_us").write_text("100000")
    (folder / "cpu.stat").write_text(f"nr_periods 10\nnr_throttled 5\n{throttled}\n")
    return folder


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
def test_a_nested_group_of_the_old_version(machine, mounted):
    proc, groups = machine
    (proc / "self" / "cgroup").write_text(f"3:cpuset:/\n4:{mounted}:/jobs/mine\n0::/\n")
    group(groups / mounted, "-1")
    group(groups / mounted / "jobs", "150000", "throttled_time 2500000000")
    group(groups / mounted / "jobs" / "mine", "400000")
    assert quota_cores(groups, proc) == 1.5, "the smallest of all limits holds"
    (told,) = throttling_files(groups, proc)
    assert throttled_s(told.read_text()) == 2.5


@pytest.mark.parametrize("mounted", ["", "unified"])
def test_a_nested_group_of_the_new_version(machine, mounted: str):
    """Where both versions are in use, the new one is mounted below `unified`."""
    proc, groups = machine
    (proc / "self" / "cgroup").write_text("0::/jobs/mine\n")
    group(groups / mounted / "jobs", "max 100000")
    mine = group(groups / mounted / "jobs" / "mine", "50000 100000", "throttled_usec 700000")
    assert quota_cores(groups, proc) == 0.5
    assert throttling_files(groups, proc) == [mine / "cpu.stat"]
    assert throttled_s((mine / "cpu.stat").read_text()) == pytest.approx(0.7)


def test_a_container_sees_its_own_part_of_the_path(machine):
    proc, groups = machine
    (proc / "self" / "cgroup").write_text("5:cpu,cpuacct:/docker/abc/nested\n")
    group(groups / "cpu,cpuacct" / "nested", "200000")
    assert quota_cores(groups, proc) == 2


def test_without_a_quota_nothing_is_read(machine):
    proc, groups = machine
    assert quota_cores(groups, proc) is None
    group(groups, "max 100000", "throttled_usec 0")
    assert throttling_files(groups, proc) == []
    assert throttled_s("nr_periods 1") is None


def test_a_sampler_reads_the_quota(tmp_path: Path, monkeypatch):
    from bench.telemetry import host

    stat = group(tmp_path, "50000 100000", "throttled_usec 1500000") / "cpu.stat"
    monkeypatch.setattr(host, "throttling_files", lambda: [stat])
    reader = host.HostReader(1, 1, {0})
    assert reader.counter_names[-1] == host.QUOTA_COUNTER
    assert reader.counters(0.0, all_of_them=False)[host.QUOTA_COUNTER] == 1.5


def test_memory_is_limited_by_the_tightest_group_and_files_do_not_count(machine):
    proc, groups = machine
    (proc / "self" / "cgroup").write_text("0::/jobs/mine\n")
    for place, most, now, files in (("jobs", "1000", "900", "300"), ("jobs/mine", "max", "800", "100")):
        folder = group(groups / place, "max 100000")
        (folder / "memory.max").write_text(most)
        (folder / "memory.current").write_text(now)
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {int(files) - 1}\nactive_file 1\n")
    assert cgroup.free_bytes(proc, groups) == 400
    (groups / "jobs" / "mine" / "memory.max").write_text("850")
    assert cgroup.free_bytes(proc, groups) == 150
    (groups / "jobs" / "memory.max").write_text("max")
    (groups / "jobs" / "mine" / "memory.max").write_text("700")
    assert cgroup.free_bytes(proc, groups) == 0


def test_memory_of_an_old_group(machine):
    proc, groups = machine
    assert cgroup.free_bytes(proc, groups) is None
    (proc / "self" / "cgroup").write_text("4:memory:/mine\n")
    folder = group(groups / "memory" / "mine", "-1")
    (folder / "memory.limit_in_bytes").write_text("1000")
    (folder / "memory.usage_in_bytes").write_text("600")
    (folder / "memory.stat").write_text(
        "inactive_file 1\ntotal_inactive_file 30\nactive_file 2\ntotal_active_file 20\n"
    )
    assert cgroup.free_bytes(proc, groups) == 450


def test_the_own_group_of_this_process_can_be_read():
    assert cgroup.quota_cores() is None or cgroup.quota_cores() > 0


@pytest.mark.parametrize(
    ("most", "now", "files", "free"),
    [
        (100, 40, (0, 0), 60),
        (100, 100, (0, 0), 0),
        (100, 120, (0, 0), 0),
        (100, 120, (15, 10), 5),
        (100, 99, (0, 0), 1),
    ],
)
def test_what_memory_a_group_leaves(tmp_path, most, now, files, free):
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("0::/\n")
    cgroups.mkdir()
    (cgroups / "memory.max").write_text(f"{most}\n")
    (cgroups / "memory.current").write_text(f"{now}\n")
    active, inactive = files
    (cgroups / "memory.stat").write_text(f"anon 7\nactive_file {active}\ninactive_file {inactive}\n")
    assert free_bytes(proc, cgroups) == free
    (cgroups / "memory.max").write_text("max\n")
    assert free_bytes(proc, cgroups) is None
