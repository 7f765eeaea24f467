"""The classifier that the thesis puts on a frozen backbone."""

import keras
from keras import layers


def build_head(feature_shape: tuple[int, ...], classes: int, dropout: float = 0.5) -> keras.Model:
    """Flatten, Dense(256, relu), Dropout(0.5), Dense(classes, softmax): appendix F of the thesis.

    Args:
        feature_shape: Shape of one image's features, (height, width, channels).
        classes: How many classes to tell apart.
        dropout: Rate of the dropout; the thesis has 0.5.
    """
    return keras.Sequential(
        [
            layers.Input(feature_shape),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(classes, activation="softmax"),
        ],
        name="head",
    )
