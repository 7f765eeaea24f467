"""How a process of Keras is set up, and how devices share batches."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from wbc.errors import InputError
from wbc.specification import Specification
from wbc.training import session
from wbc.training.session import Distribution, dataset_of, even_shares, open_session


@pytest.mark.parametrize(
    ("images", "replicas", "at_least", "expected"),
    [
        (4, 2, 0, [0, 1, 2, 3]),
        (5, 2, 0, [0, 1, 2, 3, 4, 0]),
        (1, 3, 0, [0, 0, 0]),
        (3, 1, 3, [0, 1, 2]),
        (3, 1, 4, [0, 1, 2, 0]),
        (3, 1, 2, [0, 1, 2]),
        (2, 2, 5, [0, 1, 0, 1, 0, 1]),
    ],
)
def test_a_batch_is_padded_with_its_own_images_until_it_divides(images, replicas, at_least, expected):
    chosen, count = even_shares(np.arange(images), replicas, at_least)
    assert (chosen.tolist(), count) == (expected, images)


@pytest.mark.parametrize(
    ("version", "averages"),
    [("3.7.9", False), ("3.8.0", True), ("3.10.1", True), ("2.15.0", False), ("4.0.0", True)],
)
def test_several_devices_need_a_keras_that_averages(monkeypatch, version, averages):
    monkeypatch.setattr(keras, "__version__", version)
    if averages:
        session._check_keras()
        return
    with pytest.raises(InputError) as caught:
        session._check_keras()
    assert (
        caught.value.what == f"Keras {version} sums the gradients of several devices, but must average them"
    )
    assert caught.value.way_out == "Use Keras 3.8 or newer, or one device: gpus_per_trial = 1."


def test_more_devices_than_there_are(monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.8.0")
    with pytest.raises(InputError) as caught:
        Distribution(99)
    assert caught.value.what.startswith("the experiment needs 99 devices at once, but TensorFlow sees ")
    assert Distribution(1).strategy is None and Distribution().replicas == 1


def specification(**more) -> Specification:
    return Specification("", "", 32, "LeNet5", "scratch", **more)


def test_keras_with_another_backend_is_refused():
    with pytest.raises(InputError) as caught:
        open_session(specification(backend="jax"))
    assert caught.value.what == "the experiment is for Keras with jax, but Keras was loaded with tensorflow"
    assert caught.value.way_out == "Set KERAS_BACKEND=jax before Keras is imported."


def test_what_a_backend_lacks_is_refused_first():
    with pytest.raises(InputError, match="replicas = 2 is not supported by backend = 'jax'"):
        open_session(specification(backend="jax", replicas=2))


def test_a_session_sets_what_a_user_may_have_set_otherwise(monkeypatch):
    determined = []
    monkeypatch.setattr(session, "make_deterministic", determined.append)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    open_session(specification(seed=5))
    first = np.asarray(keras.random.uniform((3,)))
    assert (keras.config.image_data_format(), keras.config.floatx()) == ("channels_last", "float32")
    assert determined == []
    opened = open_session(specification(seed=5, deterministic=True, precision="mixed_float16"))
    assert (np.asarray(keras.random.uniform((3,))) == first).all()
    assert determined == ["tensorflow"]
    assert (opened.replicas, opened.precision) == (1, "mixed_float16")


def test_only_what_is_built_has_the_precision():
    before = keras.config.dtype_policy().name
    with Distribution(1, "mixed_bfloat16").building():
        inside = keras.layers.Dense(1).dtype_policy.name
    assert (inside, keras.config.dtype_policy().name) == ("mixed_bfloat16", before)
    with pytest.raises(RuntimeError), Distribution(1, "mixed_bfloat16").building():
        raise RuntimeError
    assert keras.config.dtype_policy().name == before
    with Distribution().building():
        assert keras.layers.Dense(1).dtype_policy.name == "float32"


class Sizes(SimpleNamespace):
    """A model that doubles, and notes how many images it was given at once."""

    def predict_on_batch(self, batch):
        self.seen.append(len(batch))
        return (2 * batch).astype(np.float64)


@pytest.mark.parametrize(("jit", "seen"), [(True, [3, 3, 4, 4]), (False, [3, 2, 4, 1])])
def test_where_xla_compiles_batches_are_filled_up_to_the_largest_before(jit, seen):
    model, distribution = Sizes(jit_compile=jit, seen=[]), Distribution()
    predict = distribution.predictor(model)
    for count in (3, 2, 4, 1):
        batch = np.arange(count, dtype=np.float32)[:, None]
        outputs = predict(batch)
        assert outputs.dtype == np.float32 and outputs.tolist() == (2 * batch).tolist()
    assert model.seen == seen
    other = Sizes(jit_compile=jit, seen=[])
    distribution.predictor(other)(np.ones((2, 1)))
    assert other.seen == [2], "each model has its own largest"
    assert distribution.exact_predictor(model)(np.ones((2, 1))).dtype == np.float32 and model.seen[-1] == 2


class Strategy:
    """Two replicas, one after the other."""

    num_replicas_in_sync = 2

    def experimental_distribute_values_from_function(self, value_of):
        return tuple(value_of(SimpleNamespace(replica_id_in_sync_group=number)) for number in range(2))

    def run(self, function, args):
        return tuple(function(share) for share in args[0])

    def experimental_local_results(self, values):
        return values


@pytest.mark.parametrize("images", [1, 4, 5])
def test_replicas_share_a_batch_and_answer_in_its_order(images):
    shares = []

    def model(share, training):
        assert training is False
        shares.append(share.shape[0])
        return 2.0 * share

    distribution = Distribution()
    distribution.strategy = Strategy()
    batch = np.arange(images, dtype=np.float64)[:, None]
    for made in (distribution.predictor, distribution.exact_predictor):
        outputs = made(model)(batch)
        assert outputs.dtype == np.float32 and outputs.tolist() == (2 * batch).tolist()
    assert set(shares) == {-(-images // 2)}
    assert not distribution.ahead, "each share is waited for"


def test_four_batches_are_prepared_in_advance(monkeypatch):
    import tensorflow as tf

    made = []

    def batches():
        for number in range(20):
            made.append(number)
            yield np.full((2, 3), number, np.float32), np.full((2,), number, np.int64)

    ahead, prefetch = [], tf.data.Dataset.prefetch
    monkeypatch.setattr(
        tf.data.Dataset, "prefetch", lambda own, count: ahead.append(count) or prefetch(own, count)
    )
    dataset = dataset_of(batches)
    assert made == [0], "its shape and type are looked at"
    assert ahead == [4] and dataset.options().autotune.enabled is False
    assert [(part.shape.as_list(), part.dtype.name) for part in dataset.element_spec] == [
        ([None, 3], "float32"),
        ([None], "int64"),
    ]
    taken = iter(dataset)
    assert [part.numpy().tolist() for part in next(taken)] == [[[0.0] * 3] * 2, [0, 0]]
    assert sum(1 for _ in taken) == 19
