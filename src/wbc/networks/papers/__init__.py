"""Networks written in Keras from their papers. Loads Keras.

Each builder, `builder(input_shape, classes=None, ...)`, makes a classifier, or without `classes` the network
up to its last feature maps. Each module has a `preprocess_input` that scales pixels for its networks, as the
modules of `keras.applications` do.

Import this package before `keras.saving.load_model`: Keras then knows the layers that these networks define.
"""

from wbc.networks.papers import fractalnet, layers, lenet

__all__ = ["fractalnet", "layers", "lenet"]
