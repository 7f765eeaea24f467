"""What Keras reports while it trains."""

import keras

from wbc.specification import Specification


def metrics_of(specification: Specification) -> list[keras.metrics.Metric]:
    """Categorical accuracy as `accuracy`, and `binary_accuracy` beside it where it is asked for.

    Named explicitly, for `metrics=["accuracy"]` depends on the loss in some versions: the Keras of the
    thesis took it for binary accuracy under binary cross-entropy, Keras 3 goes by the shape of the targets.
    """
    metrics: list[keras.metrics.Metric] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if specification.binary_accuracy:
        metrics.append(keras.metrics.BinaryAccuracy(name="binary_accuracy"))
    return metrics
