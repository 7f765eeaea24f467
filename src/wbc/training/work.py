"""The size and the work of what is trained, as the phase `build` reports them."""

from typing import Any

import keras

from wbc.networks.complexity import layer_count, work_of
from wbc.training.session import trainable_parameters


def size_figures(model: keras.Model, frozen: keras.Model | None = None) -> dict[str, Any]:
    """Parameters, layers and work.

    Args:
        model: What is trained, with the layers frozen that will be.
        frozen: A backbone whose features are extracted once, before anything is trained.

    Returns:
        `parameters`, `trainable_parameters`, `layers`; `forward_macs` and `forward_flops` of one image's way
        from its pixels to the probabilities; `training_flops` of one image's share of a training step. For a
        model that is no graph of layers `work_unavailable` in place of the work: the reason.
    """
    models = [model] if frozen is None else [frozen, model]
    figures: dict[str, Any] = {
        "parameters": sum(one.count_params() for one in models),
        "trainable_parameters": trainable_parameters(model),
        "layers": sum(layer_count(one) for one in models),
    }
    try:
        works = [work_of(one) for one in models]
    except ValueError as error:
        return {**figures, "work_unavailable": str(error)}
    return {
        **figures,
        "forward_macs": sum(work.macs for work in works),
        "forward_flops": sum(work.forward_flops for work in works),
        "training_flops": works[-1].training_flops,
    }
