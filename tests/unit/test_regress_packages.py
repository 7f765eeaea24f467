"""What has to be installed on a side."""

from importlib import metadata

import pytest

from bench.regress.environments import (
    TENSORFLOWS,
    differing,
    name_of,
    names_of,
    preferences,
    requirements_of,
    wbc_requirements,
)
from wbc import REQUIREMENTS


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("tensorflow==2.20.0", "tensorflow"),
        ("Scikit_Learn >= 1", "scikit-learn"),
        ("tensorflow[and-cuda]==2.20.0", "tensorflow"),
        ("keras @ git+https://example.org/keras", "keras"),
        ("./keras-3.9-py3-none-any.whl", ""),
        ("https://example.org/keras.whl", ""),
    ],
)
def test_the_name_of_a_requirement(requirement: str, name: str):
    assert name_of(requirement) == name


def test_tensorflow_means_the_small_build_without_a_gpu():
    assert requirements_of(["tensorflow==2.20.0"], ["tensorflow"], gpu=False)[0] == "tensorflow-cpu==2.20.0"
    assert requirements_of(["tf-nightly"], ["tensorflow"], gpu=False)[0] == "tf-nightly-cpu"


def test_tensorflow_brings_cuda_where_there_is_a_gpu():
    wanted = requirements_of(["tensorflow>=2.20,<2.21"], ["tensorflow"], gpu=True)
    assert wanted[0] == "tensorflow[and-cuda]>=2.20,<2.21"


def test_blanks_around_a_requirement_do_not_matter():
    for gpu, build in ((True, "tensorflow[and-cuda]"), (False, "tensorflow-cpu")):
        assert requirements_of([" tensorflow  == 2.20 "], [], gpu)[0] == f"{build}== 2.20"
    assert requirements_of([" keras == 3 "], [], gpu=True)[0] == "keras == 3"
    assert requirements_of(["tensorflow[and-cuda]"], [], gpu=False)[0] == "tensorflow[and-cuda]"


def test_a_build_that_was_chosen_is_left_alone():
    wanted = requirements_of(["tensorflow-cpu==2.20.0"], ["tensorflow"], gpu=True)
    assert wanted[0] == "tensorflow-cpu==2.20.0"


def test_a_side_that_names_keras_alone_gets_tensorflow_as_well():
    wanted = requirements_of(["keras==3.12.0"], ["tensorflow"], gpu=False)
    assert wanted[:2] == ["keras==3.12.0", "tensorflow-cpu"]


@pytest.mark.parametrize("asked", ["tensorflow==2.20.0", "tensorflow-cpu", "tf-nightly", "tf-nightly-cpu"])
def test_a_backend_that_was_asked_for_under_any_name_is_not_added(asked: str):
    found = [name_of(one) for one in requirements_of([asked], ["tensorflow", "jax", "torch"], gpu=False)]
    assert sum(name in TENSORFLOWS for name in found) == 1
    assert found[1:3] == ["jax", "torch"] and found.count("jax") == 1
    assert (
        found[1:]
        == [name_of(one) for one in requirements_of([asked, "jax", "torch"], ["jax", "torch"], False)][1:]
    )


def test_backends_that_no_trial_uses_are_not_installed():
    assert not any("tensorflow" in one for one in requirements_of(["numpy==2.0"], [], gpu=False))


def test_everything_that_wbc_needs_is_asked_for_within_leukobench_bounds():
    wanted = requirements_of(["tensorflow==2.20.0", "numpy==2.1.0"], ["tensorflow"], gpu=False)
    assert {name_of(one) for one in wanted} == {"tensorflow-cpu", *REQUIREMENTS}
    assert "keras>=3.3" in wanted
    assert "mlflow" not in {name_of(one) for one in wanted}


def test_versions_of_what_was_asked_for_are_not_preferred():
    lines = preferences({"keras": "3.15.1", "numpy": "2.4.6"}, ["keras==3.3.3"]).split()
    assert lines == ["numpy==2.4.6"]


def test_what_differs_is_named_with_both_versions():
    old = {"keras": "3.3.3", "numpy": "2.4.6", "tensorboard": "2.16.2"}
    new = {"keras": "3.15.1", "numpy": "2.4.6"}
    assert differing(old, new) == {"keras": ("3.3.3", "3.15.1"), "tensorboard": ("2.16.2", "")}


@pytest.mark.parametrize("asked", ["tensorflow", "tensorflow-cpu", "tf-nightly"])
def test_who_asks_for_one_build_of_tensorflow_is_held_back_by_none(asked: str):
    lines = preferences({"tensorflow-cpu": "2.20.0", "tensorflow": "2.20.0", "numpy": "2.4.6"}, [asked])
    assert lines.split() == ["numpy==2.4.6"]
    assert names_of(["keras==3.3.3"]) == {"keras"}


def test_the_bounds_of_leukobench_hold_without_what_they_are_for(monkeypatch):
    asked = []
    bounds = ["numpy<2.5; python_version > '3'", "keras >=3.3", "scipy", "pandas", "uv; extra == 'x'"]
    monkeypatch.setattr(metadata, "requires", lambda name: asked.append(name) or bounds)
    others = [name for name in REQUIREMENTS if name not in ("numpy", "keras")]
    found = wbc_requirements()
    assert asked == ["leukobench"] and set(found) == {"numpy<2.5", "keras >=3.3", *others}
    assert set(wbc_requirements(["numpy", "pillow"])) == set(found) - {"pillow"}, (
        "bounds hold of what is named, too"
    )

    def missing(name: str):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert wbc_requirements(["numpy"]) == [name for name in REQUIREMENTS if name != "numpy"]
