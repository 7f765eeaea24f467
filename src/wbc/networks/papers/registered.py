"""Import this before `keras.saving.load_model`: Keras then knows the layers that these networks define."""

import wbc.networks.papers.fractalnet
import wbc.networks.papers.layers
import wbc.networks.papers.lenet  # noqa: F401
