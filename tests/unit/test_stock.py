"""Models that are kept take raw pixels: the scaling is layers of Keras."""

import keras
import numpy as np
import PIL
import pytest
from PIL import Image
from PIL.Image import Resampling

from wbc.data.pipeline.decoding import fitted
from wbc.data.reading import FITS
from wbc.errors import InputError
from wbc.networks.papers.fractalnet import fractalnet
from wbc.networks.papers.layers import GroupedConvolution, LocalResponseNormalization, MaxRms
from wbc.networks.papers.residual import stochastic_depth_resnet110
from wbc.networks.preprocessing import preprocess
from wbc.networks.resize import _pillow_chooses_the_order, resizing_model
from wbc.networks.stock import _is_ours, raw_pixel_model, scaling_layers, with_stock_layers

PIXELS = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), np.uint8)


def by_layers(scale, size: int = 8) -> np.ndarray:
    tensor = PIXELS.astype("float32")
    for layer in scaling_layers(scale, size):
        tensor = layer(tensor)
    return np.asarray(tensor)


@pytest.mark.parametrize(
    ("network", "how"),
    [
        ("VGG16", "network"),
        ("MobileNet", "network"),
        ("DenseNet121", "network"),
        ("EfficientNetB0", "network"),
        ("LeNet5", "network"),
        ("AlexNet", "network"),
        ("ResNeXt50", "network"),
        ("VGG16", "rescale"),
    ],
)
def test_every_scaling_is_layers(network, how):
    wanted = preprocess(PIXELS, network, how)
    said = by_layers(lambda pixels: preprocess(pixels, network, how))
    np.testing.assert_allclose(said, wanted, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(
    "scale",
    [
        lambda pixels: pixels / 128 - 1,
        lambda pixels: pixels[..., ::-1] / 255,
        lambda pixels: (pixels[..., [2, 0, 1]] - [1, 2, 3]) / [4, 5, 6],
        lambda pixels: np.repeat(pixels @ np.array([[0.299], [0.587], [0.114]]), 3, axis=-1) / 255,
        lambda pixels: 0 * pixels,
    ],
    ids=["symmetric", "reversed", "reordered", "gray", "nothing"],
)
def test_a_users_own_linear_scaling_is_layers(scale):
    def own(pixels):
        return scale(pixels.astype("float32")).astype("float32")

    wanted = own(PIXELS)
    np.testing.assert_allclose(by_layers(own), wanted, atol=1e-6 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize(
    "scale",
    [np.sqrt, lambda pixels: pixels - pixels.mean((1, 2), keepdims=True), lambda pixels: pixels[:, ::-1]],
    ids=["root", "each image's mean", "upside down"],
)
def test_another_scaling_is_refused_and_not_approximated(scale):
    with pytest.raises(InputError, match="not the same linear function"):
        scaling_layers(lambda pixels: scale(pixels.astype("float32")).astype("float32"), 8)


@pytest.mark.parametrize("fit", FITS)
def test_images_are_resized_as_files_are(fit, tmp_path):
    resizing_model(24, fit).save(tmp_path / "size.keras")
    model = keras.saving.load_model(tmp_path / "size.keras")
    rng = np.random.default_rng(2)
    for shape in ((24, 24), (10, 15), (31, 20), (101, 320), (48, 50), (7, 5), (1, 90), (90, 20), (48, 48)):
        images = rng.integers(0, 256, (2, *shape, 3), np.uint8)
        wanted = [fitted(image, 24, fit, Resampling.BILINEAR) for image in images]
        np.testing.assert_array_equal(np.asarray(model(images)), np.stack(wanted), f"{shape}")


def test_which_pass_comes_first_depends_on_pillow(monkeypatch):
    decide, resize = _pillow_chooses_the_order.__wrapped__, Image.Image.resize
    assert decide() is (int(PIL.__version__.partition(".")[0]) >= 13)
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda own, size, how: resize(resize(own, (size[0], own.height), how), size, how),
    )
    assert decide() is False, "before, each row was resized first"


def test_images_of_another_size_are_resized():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    whole = raw_pixel_model(model, lambda pixels: pixels.astype("float32") / 255, 8)
    plain = np.full((1, 20, 30, 3), (255, 51, 0), np.uint8)
    np.testing.assert_allclose(np.asarray(whole(plain)), [[1, 0.2, 0]], atol=1e-6)


def same_as_stock(model: keras.Model, side: int) -> keras.Model:
    """The model with layers of Keras alone, which says the same."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    stock = with_stock_layers(model)
    assert not any(_is_ours(layer) for layer in stock._flatten_layers(include_self=False))
    pixels = rng.random((2, side, side, 3), np.float32)
    np.testing.assert_allclose(
        np.asarray(stock(pixels, training=False)),
        np.asarray(model(pixels, training=False)),
        rtol=1e-3,
        atol=1e-4,
    )
    return stock


def test_networks_of_papers_say_the_same_with_layers_of_keras():
    same_as_stock(fractalnet((16, 16, 3), 3, columns=2, blocks=2), 16)
    same_as_stock(stochastic_depth_resnet110((16, 16, 3), 3, depth=8, survival=0.5), 16)


def test_layers_of_papers_say_the_same_with_layers_of_keras():
    inputs = keras.Input((12, 12, 3))
    tensor = GroupedConvolution(6, 3, groups=3, name="grouped")(inputs)
    tensor = LocalResponseNormalization(name="normalized")(tensor)
    constrained = keras.layers.Conv2D(
        4, 3, kernel_constraint=MaxRms(0.1), activation="relu", name="constrained"
    )
    stock = same_as_stock(keras.Model(inputs, constrained(tensor)), 12)
    assert [layer.name for layer in stock.layers[1:]] == ["grouped", "normalized", "constrained"]


def test_a_model_without_layers_of_ours_is_left_as_it_is():
    plain = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 3)])
    assert with_stock_layers(plain) is plain
