"""Have Keras download ImageNet weights into its cache. Loads Keras: for a child process."""

from collections.abc import Mapping
from typing import Any

from wbc.errors import InputError
from wbc.networks.catalog import find_network


def fetch_with_keras(name: str, options: Mapping[str, Any], image_size: int) -> None:
    """Download the ImageNet weights of a network without its top, or find them in Keras' cache.

    Building the network is Keras' only public way to its weights, and checks at once that they fit.

    Args:
        name: Name of the network.
        options: Its options.
        image_size: Width and height of the images, pixels; some networks have weights for several.

    Raises:
        InputError: Keras has no such weights, or could not load them; says why in one line.
    """
    network = find_network(name, options)
    network.check_size(image_size)
    file = network.imagenet_file(options, image_size)

    import keras

    build = getattr(keras.applications, name)
    try:
        build(
            **network.check_options(options),
            weights="imagenet",
            include_top=False,
            input_shape=(image_size, image_size, 3),
        )
    # Keras raises a bare Exception when a download fails, and whatever h5py raises for a torn file.
    except Exception as error:
        # Keras says "URL fetch failure on ADDRESS: CODE -- REASON", without a server's code "None".
        text = str(error).replace(f" on {file.url}", "").replace(": None --", ":")
        reason = " ".join(text.split()) or type(error).__name__
        raise InputError(
            f"Keras could not load the ImageNet weights of {network.label(options)} ({file.url}): {reason}",
            f"Check the connection. If it is fine, delete {file.name} in Keras' cache and try again.",
        ) from error
