"""On what the features of a frozen backbone depend, so that trials that need the same ones extract them once."""

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from wbc.data.loading import Split
from wbc.networks.catalog import find_network
from wbc.specification import Specification

_AT_ONCE = 256
"""Images that are hashed at once."""


def ingredients_of(
    backbone: keras.Model, splits: Mapping[str, Split], specification: Specification
) -> dict[str, Any]:
    """Everything that the features depend on: the pixels and weights themselves, and what computes with them."""
    cache = specification.feature_cache
    return {
        "images": {name: _digest(split.inputs) for name, split in splits.items()},
        "weights": _digest(*(keras.ops.convert_to_numpy(one) for one in backbone.weights)),
        "network": specification.network,
        "options": specification.options,
        "sources": find_network(specification.network, specification.options).sources(),
        "features": [list(backbone.output_shape[1:]), backbone.compute_dtype],
        "image_size": specification.image_size,
        "preprocessing": specification.preprocessing,
        "batch_size": specification.batch_size,
        "deterministic": specification.deterministic,
        "replicas": specification.replicas,
        "backend": specification.backend,
        "made_on": dict(cache.made_on) if cache else {},
    }


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode())
        array = np.atleast_1d(array)
        for start in range(0, len(array), _AT_ONCE):
            digest.update(np.ascontiguousarray(array[start : start + _AT_ONCE]).data)
    return digest.hexdigest()
