"""From pixels to what a network expects."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from wbc.networks.catalog import find_network
from wbc.networks.preprocessing import preprocess


def images(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, size, size, 3), dtype=np.uint8)


class TestPreprocessing:
    # One network of each of Keras' ways, and what becomes of an orange pixel.
    @pytest.mark.parametrize(
        ("name", "orange"),
        [
            ("VGG16", [0 - 103.939, 102 - 116.779, 255 - 123.68]),
            ("MobileNet", [1, 102 / 127.5 - 1, -1]),
            ("DenseNet121", [(1 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, -0.406 / 0.225]),
            ("EfficientNetB0", [255, 102, 0]),
            ("LeNet5", [1, 102 / 127.5 - 1, -1]),
        ],
    )
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_network(self, name, orange, dtype):
        pixels = np.full((1, 4, 4, 3), [255, 102, 0], dtype)
        kept = pixels.copy()
        scaled = preprocess(pixels, name, "network")
        np.testing.assert_array_equal(pixels, kept)
        np.testing.assert_allclose(scaled[0, 0, 0], orange, rtol=1e-4, atol=1e-4)
        assert scaled.dtype == np.float32
        assert scaled.flags.c_contiguous
        assert not np.shares_memory(scaled, pixels)

    @pytest.mark.parametrize("name", ["VGG16", "MobileNet", "DenseNet121", "EfficientNetB0"])
    def test_network_is_as_keras_does(self, name):
        own = getattr(keras.applications, find_network(name).module).preprocess_input
        pixels = images(8)
        np.testing.assert_allclose(preprocess(pixels, name), own(pixels.astype("float32")), rtol=1e-6)

    def test_rescale(self):
        pixels = images(8)
        np.testing.assert_allclose(preprocess(pixels, "VGG16", "rescale"), pixels / 255, rtol=1e-6)

    def test_unknown_way(self):
        with pytest.raises(ValueError, match="'caffe'"):
            preprocess(images(8), "VGG16", "caffe")
