from dataclasses import replace

import pytest

from bench.devices.device import Device, Slot
from bench.devices.machine import (
    AcceleratorError,
    Machine,
    allowed,
    blind_backends,
    by_topology,
    choose_slots,
    find_machine,
)
from wbc.errors import InputError

BIG, SMALL = "NVIDIA Big", "NVIDIA Small"


def gpu(index: int, model: str = BIG, memory: int = 24) -> Device:
    return Device("gpu", model, f"GPU-{index}{index}{index}-abc", index, memory * 2**30)


FOUR = tuple(gpu(index) for index in range(4))


def machine(gpus=FOUR[:2], cores=(0, 1, 2, 3), unusable=(), reason="") -> Machine:
    return Machine("a processor", tuple(cores), tuple(gpus), dict(unusable), reason)


def names(choice) -> list[str]:
    return [slot.name for slot in choice.slots]


def test_all_takes_every_gpu_one_trial_each():
    choice = choose_slots("all", machine=machine())
    assert names(choice) == ["gpu:0", "gpu:1"]
    assert [slot.environment()["CUDA_VISIBLE_DEVICES"] for slot in choice.slots] == [
        "GPU-000-abc",
        "GPU-111-abc",
    ]
    assert all(slot.cores == (0, 1, 2, 3) and slot.replicas == 1 for slot in choice.slots)
    assert (choice.note, choice.named) == ("", False)


def test_without_a_gpu_the_processor_is_one_slot_and_the_note_says_why():
    choice = choose_slots("all", machine=machine(gpus=(), reason="there is no NVIDIA driver"))
    (slot,) = choice.slots
    assert (slot.kind, slot.cores, slot.model) == ("cpu", (0, 1, 2, 3), "a processor")
    assert choice.note == "Trials run on the processor: there is no NVIDIA driver."
    assert slot.environment() == {
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "LEUKOBENCH_DEVICE_KIND": "cpu",
        "LEUKOBENCH_CORES": "0,1,2,3",
        "LEUKOBENCH_REPLICAS": "1",
    }


def test_a_tensorflow_for_the_processor_alone_leaves_gpus_to_those_who_name_them():
    built_for_cpu = replace(machine(), blind={"tensorflow": "TensorFlow is built for the processor alone"})
    choice = choose_slots("all", machine=built_for_cpu)
    assert names(choice) == ["cpu:0"]
    assert choice.note == "Trials run on the processor: TensorFlow is built for the processor alone."
    assert names(choose_slots("gpu:1", machine=built_for_cpu)) == ["gpu:1"]
    assert (choice.named, choose_slots("cpu", machine=built_for_cpu).named) == (False, True)
    assert names(choose_slots("all", 1, built_for_cpu, ["tensorflow", "jax"])) == ["cpu:0"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_trials_of_other_backends_need_no_tensorflow_for_gpus(backend):
    built_for_cpu = replace(machine(), blind={"tensorflow": "TensorFlow is built for the processor alone"})
    assert names(choose_slots("all", 1, built_for_cpu, [backend])) == ["gpu:0", "gpu:1"]


@pytest.mark.parametrize(
    ("packages", "blind"),
    [
        ({"tensorflow": "2.21.0"}, ["jax", "torch"]),
        ({"tensorflow-cpu": "2.21.0", "jax": "0.10.2"}, ["tensorflow", "jax", "torch"]),
        ({"jax": "0.11.2", "jax-cuda13-plugin": "0.11.2", "torch": "2.13.0+cpu"}, ["tensorflow", "torch"]),
        ({"torch": "2.13.0", "tensorflow": "2.21.0", "jax-cuda12-plugin": "0.6.2"}, []),
        ({"torch": "2.13.0"}, ["tensorflow", "jax"]),
    ],
)
def test_packages_tell_which_backend_is_without_gpus(packages, blind):
    assert list(blind_backends(packages.get)) == blind


def test_why_a_backend_is_without_gpus():
    assert blind_backends({}.get) == {
        "tensorflow": "the TensorFlow that is installed is built for the processor alone",
        "jax": "the JAX that is installed has no CUDA plugin",
        "torch": "the PyTorch that is installed is built for the processor alone",
    }


def test_jax_is_told_its_platform_on_a_gpu():
    (slot, _) = choose_slots("all", machine=machine()).slots
    assert slot.environment()["JAX_PLATFORMS"] == "cuda,cpu"


@pytest.mark.parametrize(
    "wanted", ["gpu:1,gpu:0", ["gpu:1", "gpu:0"], "GPU-111-abc, GPU-000-abc", "GPU-1,gpu:0"]
)
def test_gpus_are_named_by_number_or_uuid(wanted):
    choice = choose_slots(wanted, machine=machine())
    assert names(choice) == ["gpu:1", "gpu:0"]
    assert choice.named


@pytest.mark.parametrize("wanted", ["cpu", ["cpu"], "cpu:1"])
def test_the_processor_can_be_asked_for_where_there_are_gpus(wanted):
    choice = choose_slots(wanted, machine=machine())
    assert names(choice) == ["cpu:0"]
    assert choice.note == ""


@pytest.mark.parametrize(
    ("number", "cores"), [(2, [(0, 2), (1, 3)]), (4, [(0,), (2,), (1,), (3,)]), (3, [(0,), (2,), (1,)])]
)
def test_cores_are_split_disjointly_into_slots_of_equal_size(number, cores):
    slots = choose_slots(f"cpu:{number}", machine=machine(cores=(0, 2, 1, 3))).slots
    assert [slot.cores for slot in slots] == cores
    assert [slot.name for slot in slots] == [f"cpu:{index}" for index in range(number)]


def test_gpus_per_trial_makes_groups():
    slots = choose_slots("all", 2, machine(gpus=FOUR)).slots
    assert [slot.name for slot in slots] == ["gpu:0+1", "gpu:2+3"]
    assert [slot.replicas for slot in slots] == [2, 2]
    assert slots[1].environment()["CUDA_VISIBLE_DEVICES"] == "GPU-222-abc,GPU-333-abc"
    assert slots[1].model == "2 x NVIDIA Big"


def test_gpus_per_trial_on_a_processor_makes_logical_devices_in_each_slot():
    for slot in choose_slots("cpu:2", 2, machine()).slots:
        assert slot.replicas == 2
        assert len(slot.cores) == 2
        assert slot.environment()["LEUKOBENCH_REPLICAS"] == "2"
        assert slot.model == "a processor"


def test_all_keeps_to_the_larger_model_and_says_what_it_leaves_out():
    choice = choose_slots("all", machine=machine(gpus=(gpu(0, SMALL, 2), gpu(1), gpu(2))))
    assert names(choice) == ["gpu:1", "gpu:2"]
    assert choice.note == "Left out: gpu:0 (NVIDIA Small; trials are comparable on equal GPUs only)."


def test_all_says_which_gpu_cannot_be_used():
    choice = choose_slots("all", machine=machine(gpus=FOUR[:1], unusable={"gpu:1": "the GPU is lost"}))
    assert names(choice) == ["gpu:0"]
    assert choice.note == "Left out: gpu:1 (the GPU is lost)."


SPELLINGS = "Give all, gpu:0,gpu:1 (or UUIDs), cpu, or cpu:2 for two trials at a time."
THERE = "There is: gpu:0 (NVIDIA Big, GPU-000-abc), gpu:1 (NVIDIA Big, GPU-111-abc), and 4 cores."
MULTIPLE = f"Name a multiple of it, such as --devices gpu:0,gpu:1. {THERE}"


@pytest.mark.parametrize(
    ("wanted", "per_trial", "said", "way_out"),
    [
        ("gpu:7", 1, "there is no device gpu:7", THERE),
        ("GPU-9", 1, "there is no device GPU-9", THERE),
        ("GPU-", 1, "several GPUs have UUIDs that begin with GPU-", THERE),
        ("gpu:0,gpu:0", 1, "device gpu:0 is named twice", ""),
        ("gpu:0,GPU-000-abc", 1, "device GPU-000-abc is named twice", ""),
        ("gpu:0", 2, "1 GPU cannot be divided into groups of 2 (gpus_per_trial)", MULTIPLE),
        ("all", 3, "2 GPUs cannot be divided into groups of 3 (gpus_per_trial)", MULTIPLE),
        ("gpu:0,cpu:2", 1, "device cpu:2 cannot be combined with others", SPELLINGS),
        ("all,gpu:0", 1, "device all cannot be combined with others", SPELLINGS),
        ("gpu", 1, "there is no device 'gpu'", f"{SPELLINGS} {THERE}"),
        ("0", 1, "there is no device '0'", f"{SPELLINGS} {THERE}"),
        ("cpu2", 1, "there is no device 'cpu2'", f"{SPELLINGS} {THERE}"),
        ("gpu:x", 1, "there is no device 'gpu:x'", f"{SPELLINGS} {THERE}"),
        ("tpu:0", 1, "there is no device 'tpu:0'", f"{SPELLINGS} {THERE}"),
        ("", 1, "there is no device ''", f"{SPELLINGS} {THERE}"),
        ([], 1, "there is no device ''", f"{SPELLINGS} {THERE}"),
        ("cpu:0", 1, "there is no device 'cpu:0'", SPELLINGS),
        ("cpu:", 1, "there is no device 'cpu:'", SPELLINGS),
        ("cpu:-1", 1, "there is no device 'cpu:-1'", SPELLINGS),
        ("cpu:5", 1, "cpu:5 asks for 5 slots, but there are 4 cores", "Each slot needs a core of its own."),
        ("cpu:10000", 1, "there is no device 'cpu:10000'", SPELLINGS),
        ("cpu:9999", 1, "cpu:9999 asks for 9999 slots, but there are 4 cores", "Each slot needs a core of its own."),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_wrong_input(wanted, per_trial, said, way_out):
    with pytest.raises(InputError) as caught:
        choose_slots(wanted, per_trial, machine())
    assert (caught.value.what, caught.value.way_out) == (said, way_out)


BLIND = machine(gpus=(), cores=(5,), reason="no driver")
LOST = machine(gpus=FOUR[:1], unusable={"gpu:1": "the GPU is lost"})
OF_TWO_MODELS = machine(gpus=(gpu(0), gpu(1, SMALL)))


@pytest.mark.parametrize(
    ("there", "wanted", "said", "way_out"),
    [
        (BLIND, "gpu:0", "there is no device gpu:0 (no driver)", "There is: no GPU, and 1 core."),
        (BLIND, "cpu:2", "cpu:2 asks for 2 slots, but there is 1 core", "Each slot needs a core of its own."),
        (
            *(LOST, "gpu:0,gpu:1", "device gpu:1 cannot be used: the GPU is lost"),
            "There is: gpu:0 (NVIDIA Big, GPU-000-abc), gpu:1 (not usable: the GPU is lost), and 4 cores.",
        ),
        (
            *(OF_TWO_MODELS, "gpu:0, gpu:1"),
            "devices gpu:0, gpu:1 are of different models, so their trials are not comparable",
            "Run them one after the other. There is: gpu:0 (NVIDIA Big, GPU-000-abc), gpu:1 (NVIDIA Small, "
            "GPU-111-abc), and 4 cores.",
        ),
    ],
)
def test_messages_say_what_there_is(there: Machine, wanted: str, said: str, way_out: str):
    with pytest.raises(InputError) as caught:
        choose_slots(wanted, machine=there)
    assert (caught.value.what, caught.value.way_out) == (said, way_out)


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("2", [2]),
        ("3,1", [3, 1]),
        ("GPU-222-abc, GPU-0", [2, 0]),
        ("1,9,2", [1]),
        ("1,1", [1]),
        ("GPU-", []),
        ("MIG-0", []),
        ("NoDevFiles", []),
    ],
)
def test_cuda_visible_devices_is_obeyed(visible, indices):
    assert [gpu.index for gpu in allowed(FOUR, visible)] == indices


def test_threads_of_one_core_are_neighbours(tmp_path):
    for core, (socket, physical) in enumerate([(0, 0), (1, 0), (0, 1), (0, 0), (1, 0), (0, 1)]):
        topology = tmp_path / f"cpu{core}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{socket}\n")
        (topology / "core_id").write_text(f"{physical}\n")
    assert by_topology(range(6), tmp_path) == (0, 3, 2, 5, 1, 4)
    assert by_topology([3, 1, 2], tmp_path / "none") == (1, 2, 3)


def test_this_machine_has_the_cores_that_this_process_may_use():
    found = find_machine()
    assert found.processor
    assert isinstance(choose_slots("cpu", machine=found).slots[0], Slot)


def test_an_accelerator_is_a_model_of_gpus():
    mixed = machine(gpus=(gpu(0, SMALL, 2), gpu(1), gpu(2)))
    choice = choose_slots("all", machine=mixed, accelerator="small")
    assert names(choice) == ["gpu:0"]
    assert choice.note == "Left out: gpu:1 (NVIDIA Big, not small), gpu:2 (NVIDIA Big, not small)."
    with pytest.raises(InputError, match="gpu:1 cannot be used: NVIDIA Big, not small"):
        choose_slots("gpu:1", machine=mixed, accelerator="small")
    with pytest.raises(AcceleratorError) as caught:
        choose_slots("all", machine=mixed, accelerator="A100")
    assert caught.value.what == "no GPU here has 'A100' in the name of its model"
    assert caught.value.way_out == f"There is: {mixed}."
