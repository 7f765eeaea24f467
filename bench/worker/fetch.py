"""`python -m bench.worker.fetch '["VGG16", {}, 224]'`: have Keras download ImageNet weights."""

import json
import sys

from wbc.errors import InputError
from wbc.networks.weights import fetch_with_keras


def main(wanted: str) -> str | None:
    """Fetch weights; the reason where that fails, in one line, for `sys.exit`."""
    try:
        fetch_with_keras(*json.loads(wanted))
    except InputError as error:
        return error.what
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
