"""One network of each family: a step of training and predictions at its smallest size."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from equipment.one_step import train_one_step_and_predict

from wbc.networks.catalog import NETWORKS, find_network

# Keras 3.15 and TensorFlow 2.21 between them, whenever weights become arrays.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FAMILIES = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
    *(name for name in NETWORKS if find_network(name).builder),
)
"""One network of each family; `make networks` checks every one."""


def test_families_cover_every_module():
    modules = {each.module for each in NETWORKS.values()}
    assert {find_network(name).module for name in FAMILIES} == modules - {"vgg19"}, "VGG16 stands for both"


@pytest.mark.parametrize("name", FAMILIES)
def test_trains_one_step_and_predicts_at_the_smallest_size(name):
    train_one_step_and_predict(name)
