"""What each key of a suite takes, on both sides of each edge, and what a suite is without it."""

import pytest
from pydantic import ValidationError

from bench.suite.schema import SuiteFile
from bench.suite.values import composed_classes
from wbc.errors import InputError

BLOCK = {"matrix": [{"backbone": "LeNet5"}]}


def holds(table: str, key: str, value: object) -> object:
    """What a suite has there; None where it is refused."""
    try:
        return getattr(getattr(SuiteFile.model_validate({table: {key: value}, **BLOCK}), table), key)
    except (ValidationError, InputError):
        return None


POSITIVE = (1, 10**9), (0, -1, 10**9 + 1, 1.5, "1", True)
FRACTION = (0.0, 0.999), (-0.001, 1.0)
NOT_NEGATIVE = (0.0, 3.5), (-0.001,)


@pytest.mark.parametrize(
    ("table", "key", "taken", "refused"),
    [
        ("suite", "margin", (0.001, 50), (0, 50.1)),
        ("suite", "seeds", (0, 2**32 - 1), (-1, 2**32, [])),
        ("suite", "targets", (0.001, 1), (0, 1.001)),
        ("suite", "name", ("a", "a" * 60, "A.b-c_9"), ("a" * 61, ".a", "-a", "", "a b", "ä")),
        ("suite", "save_model", (True, False, "best"), (1, "all")),
        ("data", "image_size", (8, 4096), (7, 4097)),
        ("data", "split_seed", (0, 2**32 - 1), (-1, 2**32)),
        ("data", "train_images_per_class", *POSITIVE),
        ("data", "test_copies", *POSITIVE),
        ("data", "validation_images_per_class", *POSITIVE),
        ("data", "test_images_per_class", *POSITIVE),
        ("data", "test_cells_per_class", *POSITIVE),
        ("data", "max_images_per_class", *POSITIVE),
        ("data", "data_seed", (0, 2**32 - 1), (-1, 2**32)),
        ("data", "black", (-1.5, 0.0, 7.0), ("0", float("inf"), float("nan"))),
        ("data", "fit", ("squash", "crop", "pad"), ("stretch",)),
        ("data", "basophils", (True, False), (1,)),
        ("data", "margin", (0.0, 2.0), (-0.001, 2.001)),
        ("data", "folds", (2, 100), (1, 101)),
        ("data", "white", (0.001, 65535.0), (0.0, -1.0)),
        ("data", "pages", (1, 10**9, "max", "mean", "min"), (0, 10**9 + 1, 1.0, "sum", True)),
        ("data", "path", ("x",), ("", "  ")),
        ("training", "epochs", *POSITIVE),
        ("training", "batch_size", (1, 10**9, "largest"), (0, 10**9 + 1, 1.0, "large", True)),
        ("training", "l1", *NOT_NEGATIVE),
        ("training", "l2", *NOT_NEGATIVE),
        ("training", "dropout", *FRACTION),
        ("training", "head_epochs", (0, 7), (-1,)),
        ("training", "unfreeze", (1, "all"), (0, "none")),
        ("training", "jit_compile", (True, False, "auto"), (1, "on")),
        ("training", "class_weight", (False, "balanced", {"A": 0.001}), (True, {}, {"A": 0}, {"A": True})),
        ("training", "steps_per_execution", *POSITIVE),
        ("devices", "gpus_per_trial", (1, 16), (0, 17)),
        ("devices", "use", (["cpu"],), ([],)),
        ("limits", "retries", (0, 100), (-1, 101)),
        ("limits", "checkpoint_epochs", *POSITIVE),
        ("training", "freeze_batch_norm", (True, False), (1,)),
        ("training", "precision", ("float32", "mixed_float16", "mixed_bfloat16"), ("float16",)),
        ("training", "loop", ("fit", "compiled"), ("own",)),
        ("training", "backend", ("tensorflow", "jax", "torch"), ("mxnet",)),
        ("telemetry", "off_every", (2, 10**6), (1, 10**6 + 1)),
        ("profile", "steps", (1, 1000), (0, 1001)),
    ],
)  # fmt: skip
def test_edges(table: str, key: str, taken: tuple, refused: tuple):
    for value in taken:
        assert holds(table, key, value) in (value, [value]), value
    assert [value for value in refused if holds(table, key, value) is not None] == []


@pytest.mark.parametrize(
    ("key", "most"),
    [("rotation", 180.0), ("shift", 0.5), ("zoom", 0.5), ("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0)],
)  # fmt: skip
def test_edges_of_augmentation(key: str, most: float):
    for value in (0.0, most):
        (found,) = holds("training", "augmentation", {key: value})
        assert getattr(found, key) == value
    assert [holds("training", "augmentation", {key: value}) for value in (-0.001, most + 0.001)] == [None] * 2


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("learning_rate", 1, 1.0),
        ("learning_rate", 1e-9, 1e-9),
        ("learning_rate", "search", "search"),
        ("learning_rate", 0, None),
        ("learning_rate", -0.5, None),
        ("learning_rate", "find", None),
        ("learning_rate_decay", 0.0, 0.0),
        ("learning_rate_decay", -0.1, None),
        ("momentum", 0.0, 0.0),
        ("momentum", 0.99, 0.99),
        ("momentum", 1.0, None),
    ],
)
def test_edges_of_an_optimizer(key: str, value: object, expected: object):
    found = holds("training", "optimizer", {"name": "SGD", key: value})
    assert (found and getattr(found[0], key)) == expected


@pytest.mark.parametrize(
    ("name", "key", "taken", "refused"),
    [
        ("Adam", "beta_1", (0.0, 0.999), (-0.001, 1.0)),
        ("Adam", "beta_2", (0.0, 0.999), (-0.001, 1.0)),
        ("Adam", "epsilon", (1e-9, 1.0), (0.0, -1.0)),
        ("AdamW", "weight_decay", (0.0, 2.0), (-0.001,)),
        ("RMSprop", "rho", (0.0, 0.999), (-0.001, 1.0)),
        ("RMSprop", "epsilon_outside", (True, False), (1,)),
    ],
)
def test_edges_of_what_some_optimizers_have(name: str, key: str, taken: tuple, refused: tuple):
    found = [holds("training", "optimizer", {"name": name, key: value}) for value in taken]
    assert [getattr(one, key) for (one,) in found] == list(taken)
    assert [holds("training", "optimizer", {"name": name, key: value}) for value in refused] == [None] * len(
        refused
    )


@pytest.mark.parametrize(
    ("table", "key", "value", "expected"),
    [
        ("limits", "trial", "1ms", 0.001),
        ("limits", "trial", "0s", None),
        ("limits", "stall", "1.5m", 90.0),
        ("limits", "quiet", "2 h", 7200.0),
        ("limits", "checkpoint", "1d", 86400.0),
        ("limits", "trial", "5", None),
        ("limits", "trial", "5 weeks", None),
        ("telemetry", "interval", "0.02s", 0.02),
        ("telemetry", "interval", "19ms", None),
        ("telemetry", "interval", "1m", 60.0),
        ("telemetry", "interval", "61s", None),
        ("cache", "limit", "1 KB", 1000),
        ("cache", "limit", "1.5MB", 1_500_000),
        ("cache", "limit", "2 gb", 2 * 10**9),
        ("cache", "limit", "1TB", 10**12),
        ("cache", "limit", "0 GB", None),
        ("cache", "limit", "1 GiB", None),
    ],
)
def test_quantities_have_units(table: str, key: str, value: str, expected: float | None):
    assert holds(table, key, value) == expected


def test_names_of_classes_are_composed_wherever_a_mac_took_them_apart():
    apart, whole = "Gro\u0308\u00dfe", "Gr\u00f6\u00dfe"
    assert composed_classes({"a": [apart, "x", 3], "b": apart}) == {"a": [whole, "x", 3], "b": apart}
    assert composed_classes(apart) == apart


def test_what_a_suite_is_without_a_key():
    found = SuiteFile.model_validate({"matrix": [{"backbone": "LeNet5"}]}).model_dump()
    (block,) = found.pop("matrix")
    tables = {
        name: {key: one for key, one in table.items() if one is not None} for name, table in found.items()
    }
    assert tables == {
        "suite": {
            **{
                "description": "",
                "seeds": [0],
                "export": [],
                "explain": [],
                "save_model": "best",
                "targets": [],
            },
            "margin": 2.0,
        },
        **{name: {} for name in ("data", "training", "thesis", "weights", "profile")},
        "devices": {"use": ["all"], "gpus_per_trial": 1, "exclusive": False},
        "limits": {"stall": 900.0, "retries": 1, "checkpoint": 300.0, "quiet": 600.0},
        "telemetry": {"enabled": True, "interval": 0.1, "reference_work": True, "latency": True},
        "cache": {"features": False, "pixels": False, "share_prefix": False, "limit": 20_000_000_000},
    }
    assert {key for key, value in block.items() if value is not None} == {"backbone", "thesis"}
    assert set(block["thesis"].values()) == {None}
