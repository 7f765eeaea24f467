"""What happens rarely: a reader that is gone, a sensor that fails late, versions that ran on other machines."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.commands.terminal import Terminal
from bench.compare.differences import Fingerprint
from bench.devices import machine
from bench.devices.gauges import PROCESS_MEMORY
from bench.devices.nvml import _LASTING, LOST, GpuProcess, NvmlError
from bench.errors import ResultsError
from bench.regress import kept, verdict
from bench.regress.pair_runner import PairRunner
from bench.report.names import rate
from bench.telemetry.gpu import INTEGRATED, GpuReader


def test_a_terminal_whose_reader_is_gone_falls_silent(tmp_path: Path):
    with (tmp_path / "out").open("w") as file:
        console = Terminal(file=file)
        console.say("a")
        console.on_broken_pipe()
        console.say("b")
        assert console.quiet and os.path.samestat(os.fstat(file.fileno()), Path(os.devnull).stat())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: A: 8-core\nmodel name\t: B\n", "A: 8-core"),
        ("no model name : x\n", "of the platform"),
        (None, "of the platform"),
    ],
)
def test_the_name_of_the_processor(monkeypatch, text: str | None, name: str):
    def read_text(path: Path) -> str:
        assert str(path) == "/proc/cpuinfo"
        if text is None:
            raise OSError
        return text

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(machine.platform, "processor", lambda: "of the platform")
    assert machine._processor() == name
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86")
    assert machine._processor() == (name if text and name.startswith("A") else "x86")


def test_energy_that_is_integrated_ends_with_the_power(monkeypatch):
    lasting = min(_LASTING - {LOST})
    fails = {"energy_j"}

    class Session:
        def ask(self, uuid, question):
            from bench.devices import gauges

            for questions in (gauges.FAST, gauges.SLOW, gauges.COUNTERS):
                for names, known in questions.items():
                    if known is question:
                        if fails & set(names):
                            raise NvmlError(lasting)
                        return (1.0,) * len(names)
            raise NvmlError(lasting)

        def processes(self, uuid):
            return []

    reader = GpuReader(Session(), "GPU-1")
    assert reader.energy_method == INTEGRATED
    fails.add("power_w")
    reader.fast(1.0)
    assert reader.energy_method is None
    assert reader.unavailable["energy_j"] == reader.unavailable["power_w"] == lasting
    assert "energy_j" not in reader.counters()


class Processes:
    """A session of NVML that lists processes, or fails to, and tells nothing else."""

    def __init__(self):
        self.listed: list[GpuProcess] | NvmlError = []
        self.asked = 0

    def ask(self, uuid, question):
        raise NvmlError(_LASTED)

    def processes(self, uuid: str) -> list[GpuProcess]:
        assert uuid == "GPU-1"
        self.asked += 1
        if isinstance(self.listed, NvmlError):
            raise self.listed
        return self.listed


_LASTED = min(_LASTING - {LOST})


@pytest.mark.parametrize(
    ("sizes", "read", "silent"),
    [
        ({1: 4, 2: 8, 9: 16}, {PROCESS_MEMORY: 12.0}, False),
        ({1: 0}, {PROCESS_MEMORY: 0.0}, False),
        ({9: 16}, {}, False),
        ({9: None}, {}, False),
        ({1: None, 2: 8}, {}, False),
        ({1: None, 2: None, 9: 16}, {}, True),
    ],
)
def test_the_memory_of_the_processes_of_a_trial_alone(sizes: dict, read: dict, silent: bool):
    session = Processes()
    reader = GpuReader(session, "GPU-1")
    session.listed = [GpuProcess(pid, "compute", size) for pid, size in sizes.items()]
    assert reader.slow({1, 2, 3}) == read
    said = "the NVIDIA driver does not report the memory of processes" if silent else None
    assert reader.unavailable.get(PROCESS_MEMORY) == said


@pytest.mark.parametrize(
    ("reason", "reason_kept", "asked_again"),
    [(_LASTED, _LASTED, False), ("busy", None, True), (LOST, LOST, False)],
)
def test_a_list_of_processes_that_fails(reason: str, reason_kept: str | None, asked_again: bool):
    session = Processes()
    reader = GpuReader(session, "GPU-1")
    session.listed = NvmlError(reason)
    assert reader.process_memory({1}) == {}
    assert reader.unavailable.get(PROCESS_MEMORY) == reason_kept
    before, session.listed = session.asked, [GpuProcess(1, "compute", 4)]
    assert reader.process_memory({1}) == ({PROCESS_MEMORY: 4.0} if asked_again else {})
    assert session.asked == before + asked_again


def link(old: str, new: str, *cores: int, packages: tuple[str, str] = ("3.3", "3.3")) -> SimpleNamespace:
    """A comparison of two versions, measured on so many cores each time."""
    notes = [
        SimpleNamespace(label=label, packages={"keras": version}, python="3.11", wbc="0", code="v1")
        for label, version in zip((old, new), packages, strict=True)
    ]
    sides = [SimpleNamespace(record=number) for number in cores]
    trials = (SimpleNamespace(pairs=[SimpleNamespace(sides=sides)]),)
    return SimpleNamespace(baseline=notes[0], candidate=notes[1], trials=trials)


def test_versions_that_were_not_measured_alike_are_noted(monkeypatch):
    monkeypatch.setattr(Fingerprint, "of_record", classmethod(lambda cls, cores: cls(model="P", cores=cores)))
    assert kept._differing_places([link("1", "2", 4, 4), link("2", "3", 4)]) == []
    chain = [link("1", "2", 4, packages=("3.3", "3.4")), link("2", "3", 4, 8, packages=("3.5", "3.5"))]
    assert kept._differing_places(chain) == [
        "2 ran in two environments, with keras 3.4 and 3.5.",
        "Not all were measured in one place: number of cores 4 and 8.",
    ]
    chain[1].baseline.packages = {}
    assert kept._differing_places(chain)[0] == "2 ran in two environments, with keras 3.4 and none."


def test_an_interpreter_that_is_gone_is_told_with_its_side(tmp_path: Path):
    side = SimpleNamespace(interpreter=tmp_path / "python")
    runner = SimpleNamespace(sides={"candidate": side})
    with pytest.raises(ResultsError) as caught, PairRunner._names_side(runner, "candidate"):
        raise FileNotFoundError(2, "No such file or directory")
    assert caught.value.what == f"the interpreter of the candidate is gone: {tmp_path}/python"
    assert caught.value.way_out == (
        "Repeat the command once it is back; one that leukobench made is made again. Finished pairs are kept."
    )
    side.interpreter = Path(sys.executable)
    with pytest.raises(FileNotFoundError), PairRunner._names_side(runner, "candidate"):
        raise FileNotFoundError(2, "another file")


@pytest.mark.parametrize(
    ("recorded", "pairs", "way"), [("baseline:v1", 3, "recorded"), (None, 3, "pairs"), (None, None, "clear")]
)
def test_how_a_comparison_is_made(monkeypatch, recorded: str | None, pairs: int | None, way: str):
    from contextlib import contextmanager

    request = SimpleNamespace(recorded=recorded, results=Path("results"), pairs=pairs, check=lambda: None)

    @contextmanager
    def session(*given):
        assert given == (request, "speaker", "made")
        yield SimpleNamespace(folder=Path("there"))

    monkeypatch.setattr(verdict, "open_session", session)
    monkeypatch.setattr(verdict, "read_side", lambda name, results: f"{name} in {results}")
    monkeypatch.setattr(verdict, "against_recorded", lambda one, side: ("recorded", side))
    monkeypatch.setattr(verdict, "with_pairs", lambda one, number: ("pairs", number))
    monkeypatch.setattr(verdict, "until_clear", lambda one: ("clear", None))
    found = verdict.run_regress(request, "speaker", "made")
    expected = {"recorded": "baseline:v1 in results", "pairs": 3, "clear": None}
    assert (found.verdict, found.folder) == ((way, expected[way]), Path("there"))


@pytest.mark.parametrize(
    ("value", "text"),
    [("search", "search"), (1e-3, "1e-3"), (0.00125, "1.25e-3"), (1.0, "1e0"), (25.0, "2.5e1")],
)
def test_a_rate_as_people_write_it(value: float | str, text: str):
    assert rate(value) == text
