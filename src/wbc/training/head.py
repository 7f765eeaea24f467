"""The classifier that the thesis puts on a frozen backbone."""

import keras
from keras import layers


def build_head(feature_shape: tuple[int, ...], classes: int) -> keras.Model:
    """Flatten, Dense(256, relu), Dropout(0.5), Dense(classes, softmax): appendix F of the thesis.

    Args:
        feature_shape: Shape of one image's features, (height, width, channels).
        classes: How many classes to tell apart.
    """
    return keras.Sequential(
        [
            layers.Input(feature_shape),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ],
        name="head",
    )
