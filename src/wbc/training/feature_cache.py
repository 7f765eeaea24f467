"""On what the features of a frozen backbone depend, so that trials that need the same ones extract them once."""

from collections.abc import Mapping
from typing import Any

import keras

from wbc.data.loading import Split, digest_of
from wbc.networks.catalog import find_network
from wbc.specification import Specification


def ingredients_of(
    backbone: keras.Model, splits: Mapping[str, Split], specification: Specification
) -> dict[str, Any]:
    """Everything that the features depend on: the pixels and weights themselves, and what computes with them."""
    cache = specification.feature_cache
    return {
        "images": {name: split.digest for name, split in splits.items()},
        "weights": digest_of(*(keras.ops.convert_to_numpy(one) for one in backbone.weights)),
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
