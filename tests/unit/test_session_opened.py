"""What a comparison hands to everything that it holds: the suite, environments, sides, device and journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from regress_equipment import SEEDS, Listener, a_pair

from bench.compare.differences import Fingerprint
from bench.devices.device import Device, Slot
from bench.devices.machine import Choice
from bench.regress import pairs, versions
from bench.regress import session as sessions
from bench.regress.session import RegressRequest, Session, open_session
from bench.regress.side_notes import SideNote
from bench.regress.side_request import SideRequest
from bench.trials.limits import Limits
from bench.trials.sampling import TelemetrySettings

GPUS = tuple(
    Slot(f"gpu:{number}", (Device("gpu", model, f"GPU-{number}", number),), (number,))
    for number, model in enumerate(("A100", "H100"))
)
CPU = Slot("cpu:0", (Device("cpu", "P"),), (0,))
ASKED = {
    "devices": "all",
    "data": Path("d"),
    "weights": Path("w"),
    "only": "lenet*",
    "environments": Path("envs"),
    "python": "3.12",
}


class Side(SimpleNamespace):
    """As far as a session looks at one."""

    @property
    def note(self) -> SideNote:
        plain = {"interpreter": "i", "python": "3.12", "code": "c", "wbc": "w", "packages": {}}
        return SideNote(label=self.label, key=self.key, **plain)

    def lacks(self, trials: object) -> list[str]:
        return []


SIDES = {
    name: Side(name=name, label=key, key=key) for name, key in (("baseline", "old"), ("candidate", "new"))
}


class Opened:
    """What a session was opened with, without a device, an environment or images."""

    def __init__(self, folder: Path, monkeypatch, slots: tuple[Slot, ...] = GPUS, downloads: bool = False):
        self.calls: dict[str, list[Any]] = {}
        self.results, self.speaker = folder / "results", Listener()
        chosen = {"chosen": SEEDS[:2], "trials": SEEDS, "datasets": ["images"], "warnings": []}
        self.suite = SimpleNamespace(
            **chosen,
            name="cells",
            devices=Choice(slots, named=True),
            limits=Limits(retries=7, quiet_s=9.0),
            telemetry=TelemetrySettings(0.3),
            downloads=["weights"] if downloads else [],
            with_weights=lambda: SimpleNamespace(**{**vars(self.suite), "chosen": SEEDS[2:]}),
        )
        for module in (sessions, versions):
            self.put(monkeypatch, module, "resolve_suite", self.suite)
            self.put(monkeypatch, module, "Environments", "environments")
        self.put(monkeypatch, sessions, "make_sides", SIDES)
        self.put(monkeypatch, versions, "make_chain", ["chain"])
        for name in ("recover", "prepare_data", "start_anew"):
            self.put(monkeypatch, sessions, name)
        self.put(monkeypatch, sessions, "notes_of", "notes")
        self.put(monkeypatch, sessions, "SideLinks", lambda *given: given)
        monkeypatch.setattr(sessions, "find_machine", lambda: "machine")
        monkeypatch.setattr(
            Fingerprint, "of_slot", lambda slot, machine: Fingerprint(model=slot.model, host=machine)
        )
        monkeypatch.setattr(sessions, "first_free_slot", self._hold("first_free_slot", slots[-1]))
        monkeypatch.setattr(sessions, "local_other_users", self._hold("local_other_users", "other users"))

    def put(self, monkeypatch, module: Any, name: str, answer: Any = None) -> None:
        """Note what a function is given."""

        def noting(*given: Any, **named: Any) -> Any:
            self.calls.setdefault(name, []).append((*given, *([named] if named else [])))
            return answer(*given) if callable(answer) else answer

        monkeypatch.setattr(module, name, noting)

    def _hold(self, name: str, answer: Any):
        @contextmanager
        def held(*given: Any) -> Iterator[Any]:
            self.calls.setdefault(name, []).append(given)
            yield answer

        return held

    def open(self, made=None, **more: Any) -> Session:
        """The session, which is over again."""
        self.request = RegressRequest(
            Path("mine.toml"),
            SideRequest("keras==1"),
            SideRequest("keras==2"),
            results=self.results,
            **{**ASKED, **more},
        )
        with open_session(self.request, self.speaker, made) as session:
            return session


def test_what_was_asked_for_reaches_the_suite_the_environments_and_the_sides(tmp_path: Path, monkeypatch):
    opened = Opened(tmp_path, monkeypatch)
    session = opened.open()
    cache, say = opened.results / "cache", opened.speaker.say
    given = (Path("mine.toml"), cache, "all", Path("d"), Path("w"), "lenet*")
    assert opened.calls["resolve_suite"] == [(*given, {"in_pairs": True})]
    assert opened.calls["Environments"] == [(Path("envs"), say, "3.12")]
    trials = SEEDS[:2]
    assert opened.calls["make_sides"] == [(opened.request.sides, "environments", cache, trials, True)]
    assert opened.calls["prepare_data"] == [(["images"], trials, say)]
    assert opened.calls["first_free_slot"] == [(opened.suite.devices, opened.results)]
    assert [one.suite for one, _ in opened.calls["recover"]] == ["baseline", "candidate"]
    assert (session.trials, session.schedule.trials, session.sides) == (trials, trials, SIDES)
    assert opened.calls.get("start_anew") is None


def test_the_runs_of_a_comparison_keep_to_what_the_suite_says(tmp_path: Path, monkeypatch):
    opened = Opened(tmp_path, monkeypatch)
    session = opened.open(name="mine")
    runner, folder = session.runner, opened.results / "regress" / "mine"
    assert (runner.limits, runner.telemetry) == (opened.suite.limits, opened.suite.telemetry)
    assert (runner.slot, runner.notes, runner.other_users) == (GPUS[1], "notes", "other users")
    assert opened.calls["local_other_users"] == [([GPUS[1]], 9.0, opened.speaker.say)]
    assert opened.calls["notes_of"] == [(opened.results, "machine")]
    assert [(place, list(sides), number) for place, sides, number in runner.links] == [
        (folder, list(SIDES.values()), number) for number in (1, 2)
    ]
    assert session.place == Fingerprint(model="H100", host="machine"), "of the device that was free"
    assert {name: one.folder for name, one in session.results.items()} == {
        name: folder / name for name in SIDES
    }
    assert (runner.watcher, session.folder, session.keys) == (opened.speaker, folder, ("old", "new"))


def test_sides_that_are_made_already_are_not_made_again(tmp_path: Path, monkeypatch):
    opened = Opened(tmp_path, monkeypatch, slots=(CPU,))
    made = {name: Side(name=name, label="x", key=name) for name in SIDES}
    assert opened.open(made, environments=None).sides == made and "make_sides" not in opened.calls
    assert opened.calls["Environments"][0][0] == opened.results / "environments"
    opened.open()
    assert opened.calls["make_sides"][0][-1] is False, "a processor needs no packages for GPUs"


def test_weights_are_there_before_anything_runs(tmp_path: Path, monkeypatch):
    assert Opened(tmp_path, monkeypatch, downloads=True).open().trials == SEEDS[2:]


@pytest.mark.parametrize(
    ("more", "count", "left"),
    [
        ({"budget_s": 100.0}, 1, 100.0),
        ({"budget_s": 100.0, "whole_budget": True}, 1, 80.0),
        ({"budget_s": 100.0, "whole_budget": True, "fresh": True}, 0, 100.0),
    ],
)
def test_what_ran_before_counts_unless_all_is_to_run_again(
    tmp_path: Path, monkeypatch, more, count: int, left
):
    opened = Opened(tmp_path, monkeypatch)
    asked: list[tuple] = []

    def counts(run, results, place) -> bool:
        asked.append((run.side, place.model))
        return True

    monkeypatch.setattr(pairs, "_counts", counts)
    opened.open(name="mine").journal.append(a_pair())
    session = opened.open(name="mine", **more)
    assert (len(session.schedule.pairs), session.schedule.budget.seconds) == (count, left)
    assert set(asked) == ({("baseline", "H100"), ("candidate", "H100")} if count else set())
    forgotten = [(session.folder,)] if more.get("fresh") else None
    assert opened.calls.get("start_anew") == forgotten, "looks at learning"
    note = msgspec.json.decode((session.folder / "sides.json").read_bytes())
    assert [note[name]["key"] for name in SIDES] == ["old", "new"] and note["suite"] == "cells"


@pytest.mark.parametrize("slots", [GPUS, (CPU,)])
def test_versions_are_made_of_what_was_asked_for(tmp_path: Path, monkeypatch, slots):
    opened = Opened(tmp_path, monkeypatch, slots)
    request = RegressRequest(Path("mine.toml"), results=opened.results, **ASKED)
    asked = [SideRequest("keras==1"), SideRequest("keras==2"), SideRequest("keras==3")]
    assert versions._make(request, asked, opened.speaker) == (opened.suite, ["chain"])
    cache = opened.results / "cache"
    assert opened.calls["resolve_suite"] == [
        (Path("mine.toml"), cache, *("all", Path("d"), Path("w"), "lenet*"))
    ]
    assert opened.calls["Environments"] == [(Path("envs"), opened.speaker.say, "3.12")]
    names = ["baseline", "candidate", "candidate"]
    titles = [f"version keras=={number}" for number in (1, 2, 3)]
    sides = list(zip(names, asked, strict=True))
    gpu = slots == GPUS
    assert opened.calls["make_chain"] == [(sides, "environments", cache, SEEDS[:2], gpu, titles)]
