"""Weights of ImageNet meet images as Keras scales them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from wbc.networks.build import build_backbone
from wbc.specification import WeightsSource

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_imagenet_weights_of_efficientnet_meet_colors_as_keras_scales_them(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    file = tmp_path / "efficientnetb0.weights.h5"
    random = build_backbone("EfficientNetB0", {}, 32)
    scaling = next(layer for layer in random.layers if isinstance(layer, keras.layers.Normalization))
    scaling.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.0524, 0.0502, 0.0506]), np.array(0)])
    random.save_weights(file)
    monkeypatch.setattr(file_utils, "get_file", lambda *arguments, **keywords: str(file))
    by_keras = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(32, 32, 3)
    )
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    expected = by_keras(pixels).numpy()
    near = {"rtol": 1e-3, "atol": 1e-3 * np.abs(expected).max()}  # outputs are tiny here
    for layout in ("plain", "imagenet"):
        if layout == "imagenet":
            by_keras.save_weights(file)
        imagenet = build_backbone("EfficientNetB0", {}, 32, WeightsSource("folder", file))
        np.testing.assert_allclose(imagenet(pixels), expected, **near)
        # A file of the user's says itself whether it was saved with the scaling.
        own = build_backbone("EfficientNetB0", {}, 32, file)(pixels).numpy()
        assert np.allclose(own, expected, **near) == (layout == "imagenet"), layout
