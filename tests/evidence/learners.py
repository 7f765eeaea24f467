"""Networks that were never trained: which test images they would predict right, seed by seed."""

from collections.abc import Sequence

import numpy as np

SHARED = 0.5
"""Share of the discordant images that are the same for every seed."""


def rights(
    rng: np.random.Generator,
    worse: Sequence[float],
    seeds: int,
    images: int,
    sd: float = 0.013,
    accuracy: float = 0.9,
    discordant: float = 0.10,
) -> np.ndarray:
    """Right (1) or wrong (0) predictions of several configurations on the same test images.

    An image is hard for all, or for one configuration, or for one training.

    Args:
        rng: Of the draws.
        worse: By how much the true accuracy of each configuration is lower than `accuracy`.
        seeds: Trainings of each configuration.
        images: Test images.
        sd: Of the accuracy from training to training; pairs differ by 1.4 times as much.
        accuracy: Of a configuration that is not worse.
        discordant: Share of images that two trainings of equal accuracy predict differently.

    Returns:
        Shape (configurations, seeds, images).
    """
    true = accuracy - np.asarray(worse)[:, None] + sd * rng.standard_normal((len(worse), seeds))
    # The latent ease of an image: a common part, one of the configuration, one of the training. Ranks of their
    # sum decide, so that accuracies are met on the average.
    common = rng.standard_normal(images)
    spread = np.pi * discordant / (4 * accuracy * (1 - accuracy)) * 0.6
    own = spread * np.sqrt(SHARED) * rng.standard_normal((len(worse), 1, images))
    training = spread * np.sqrt(1 - SHARED) * rng.standard_normal((len(worse), seeds, images))
    latent = (common + own + training) / np.sqrt(1 + spread**2)
    from scipy.special import ndtri

    limit = ndtri(np.clip(true, 1e-6, 1 - 1e-6))[..., None]
    return (latent < limit).astype(float)


def losses(
    rng: np.random.Generator,
    worse: Sequence[float],
    seeds: int,
    images: int,
    sd: float = 0.03,
) -> np.ndarray:
    """Test losses of several configurations on the same images, in nats.

    Most images cost little and some cost much, for all configurations alike. An image also costs one configuration
    or one training more than the others.

    Args:
        rng: Of the draws.
        worse: By how much the mean loss of each configuration is higher.
        seeds: Trainings of each configuration.
        images: Test images.
        sd: Of the mean loss from training to training.

    Returns:
        Shape (configurations, seeds, images).
    """
    count = len(worse)
    common = rng.exponential(0.3, images)
    own = rng.standard_t(5, (count, 1, images)) * 0.15
    training = rng.standard_t(5, (count, seeds, images)) * 0.15
    level = np.asarray(worse)[:, None] + sd * rng.standard_normal((count, seeds))
    return common + (own + training) * np.sqrt(common) + level[..., None]
