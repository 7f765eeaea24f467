"""Which nodes and slots of a cluster a run uses, and what is told of them: without Ray, and without a cluster."""

import ast
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.main import get_command

from bench.commands.main import app
from bench.devices.device import Device, Slot
from bench.devices.machine import Machine
from bench.errors import InputError
from bench.report.cautions import cautions
from bench.runner.cluster import node as on_node
from bench.runner.cluster import session
from bench.runner.cluster.engine import Place
from bench.runner.cluster.session import (
    Node,
    best_kind,
    difference,
    kind_of,
    offered,
    usable_nodes,
    wrong_clocks,
)
from bench.runner.suite import RunOptions, run_suite
from bench.trials.settings import Runtime

ROOT = Path(__file__).parents[2]


RUNTIME = Runtime(wbc="1a2b", keras="3.13", tensorflow="2.21.0", device="")


def a_node(name: str, cpus=2, gpus=0, machine=None, **runtime) -> Node:
    versions = {**{"wbc": "1a2b", "keras": "3.13", "tensorflow": "2.21.0"}, **runtime}
    facts = on_node.NodeFacts(
        machine or Machine("a processor", (0, 1, 2, 3)), Runtime(device="", **versions), "0.1"
    )
    return Node(name, name, cpus, gpus, facts)


def test_nodes_that_would_run_something_else_are_refused_with_the_difference():
    here = a_node("here").facts
    found = [
        a_node("same"),
        a_node("old", tensorflow="2.20.0"),
        a_node("none", keras=""),
        a_node("code", wbc="9"),
    ]
    usable, refused = usable_nodes(found, here)
    assert [node.name for node in usable] == ["same"]
    assert refused == {
        "old": "tensorflow is 2.20.0 there, 2.21.0 here",
        "none": "keras is missing there, 3.13 here",
        "code": "the code of wbc is 9 there, 1a2b here",
    }
    assert (
        difference(on_node.NodeFacts(here.machine, RUNTIME, "0.2"), here)
        == "leukobench is 0.2 there, 0.1 here"
    )


def test_a_node_offers_what_ray_was_started_with():
    gpus = tuple(Device("gpu", "A100", f"GPU-{number}", number) for number in range(4))
    machine = Machine("a processor", (0, 1, 2, 3), gpus)
    part = offered(a_node("n", cpus=2, gpus=3, machine=machine))
    assert (part.cores, part.gpus, part.reason) == ((0, 1), gpus[:3], "")
    none = offered(a_node("n", cpus=8, machine=machine))
    assert (none.cores, none.gpus, none.reason) == ((0, 1, 2, 3), (), "Ray offers none of its GPUs")


def test_a_run_uses_one_kind_of_device():
    def slots(kind: str, model: str, number: int) -> list[Slot]:
        return [Slot(f"{kind}:{index}", (Device(kind, model),), (0,)) for index in range(number)]

    found = {
        "a processor": slots("cpu", "a processor", 9),
        "T4": slots("gpu", "T4", 2),
        "A100": slots("gpu", "A100", 3),
    }
    assert best_kind(found) == "A100"
    cores = [Slot("cpu:0", (Device("cpu", "a processor"),), tuple(range(count))) for count in (4, 8, 1)]
    kinds = {kind_of(slot): [slot] for slot in cores}
    assert list(kinds) == ["a processor, 4 cores", "a processor, 8 cores", "a processor, 1 core"]
    assert best_kind(kinds) == "a processor, 8 cores"


def test_clocks_that_differ_are_named():
    nodes = [replace(a_node(name), clock_s=ahead) for name, ahead in (("a", 2.0), ("b", 2.6), ("c", -90.0))]
    assert wrong_clocks(nodes[:1]) == ""
    assert wrong_clocks(nodes) == (
        "Clocks differ, so trials seem to begin at other times: b's is 3 s ahead, c's is 90 s behind."
    )


def test_tables_over_several_kinds_of_device_say_so():
    runtimes = ["wbc 1a2b, device T4, keras 3", "wbc 1a2b, device A100", None, "wbc 3c, device A100, keras 3"]
    trials = pd.DataFrame({"mode": "scratch", "status": "done", "runtime": runtimes})
    (said,) = cautions(None, trials)
    assert said.startswith("Trials ran on 2 kinds of device (2 on A100, 1 on T4): compare what they learned")
    assert cautions(None, trials[1:]) == []


def test_tables_over_several_numbers_of_cores_say_so():
    trials = pd.DataFrame(
        {"mode": "scratch", "status": "done", "runtime": "device a processor", "cores": [1.0, 2.0, 2.0, None]}
    )
    (said,) = cautions(None, trials)
    assert said.startswith(
        "Trials ran on different numbers of cores (1 on 1, 2 on 2): compare what they learned"
    )
    assert cautions(None, trials[1:]) == []


def test_the_batch_script_for_slurm_is_a_script():
    text = (ROOT / "docs" / "examples" / "slurm.sh").read_text()
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    (command,) = [line for line in text.splitlines() if line.startswith("leukobench ")]
    words = shlex.split(command.removesuffix("&"))[1:]
    get_command(app).commands[words[0]].make_context("leukobench", words[1:])


def test_ray_is_imported_only_where_it_is_used():
    for path in (ROOT / "bench").rglob("*.py"):
        for one in ast.parse(path.read_text()).body:
            names = [alias.name for alias in one.names] if isinstance(one, ast.Import) else []
            names += [str(one.module)] if isinstance(one, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "ray"], path


def test_what_ray_lacks_is_said(tmp_path, monkeypatch):
    suite = tmp_path / "suite.toml"
    suite.write_text('[[matrix]]\nmode = "classical"\nbackbone = "KNN"\n')
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="needs Ray"):
        run_suite(suite, tmp_path / "results", None, RunOptions(engine="ray"))
    with pytest.raises(InputError, match="--address needs --engine ray"):
        run_suite(suite, tmp_path / "results", None, RunOptions(address="127.0.0.1:6379"))
    assert not (tmp_path / "results").exists()


def chosen(monkeypatch, wanted: str, *found: Node):
    """What a cluster of these nodes chooses, and its places."""
    monkeypatch.setattr(session, "nodes", lambda: iter(found))
    monkeypatch.setattr(session, "describe_node", lambda: a_node("here").facts)
    cluster = session.RayCluster()
    return cluster.choose(wanted, 1, backends={"tensorflow"}, accelerator=""), cluster._places


def test_every_node_that_has_what_is_wanted_gives_its_slots(monkeypatch):
    gpus = tuple(Device("gpu", "A100", f"GPU-{number}", number) for number in range(2))
    large = a_node("large", 4, 2, Machine("a processor", (0, 1, 2, 3), gpus))
    nodes = [a_node("bare"), large, a_node("old", tensorflow="2.20.0")]
    found, places = chosen(monkeypatch, "gpu:0,gpu:1", *nodes)
    assert [slot.name for slot in found.slots] == ["large/gpu:0", "large/gpu:1"] and not found.named
    assert places == {slot.name: Place("large", "large", 2.0, 1) for slot in found.slots}
    assert found.note.startswith(
        "The cluster has 2 nodes. old is left out: tensorflow is 2.20.0 there, 2.21.0 here. "
    )
    assert "bare is left out: " in found.note
    mixed, places = chosen(
        monkeypatch, "cpu", a_node("two"), a_node("six", 6, 0, Machine("P", tuple(range(6))))
    )
    assert [slot.name for slot in mixed.slots] == ["six/cpu:0"] and places["six/cpu:0"] == Place(
        "six", "six", 6.0, 0
    )
    said = "two/cpu:0 is left out: a processor, 2 cores; trials are comparable on equal devices only."
    assert said in mixed.note


def test_a_cluster_without_a_slot_says_why(monkeypatch):
    with pytest.raises(
        InputError, match=r"no node .* \(old: tensorflow is 2.20.0 there, 2.21.0 here; bare: .+\)"
    ):
        chosen(monkeypatch, "gpu:0", a_node("old", tensorflow="2.20.0"), a_node("bare"))
    with pytest.raises(InputError, match=r"can run trials \(there is none\)"):
        chosen(monkeypatch, "cpu")
