"""The memory of a training step: computed from its traced graph, and as TensorFlow's allocator counts it.

The door of the memory model. `Footprint` observes a model while it trains. Behind it, `graph` reads the
traced step, `step` simulates TensorFlow's executor, and `allocator` simulates TensorFlow's allocator.
Importing this package loads neither Keras nor TensorFlow.
"""

from wbc.memory.footprint import Footprint
from wbc.memory.step import KINDS, StepMemory

__all__ = ["KINDS", "Footprint", "StepMemory"]
