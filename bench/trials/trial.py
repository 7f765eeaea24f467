"""One combination of a suite, and its two names."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Trial:
    """What one worker process does.

    Attributes:
        network: Readable name of the network with its options, such as `MobileNet-alpha0.5`.
        settings: Everything the user asked for, resolved: data and its digest, network, mode, epochs,
            weights and their hash, batch size, optimiser, seed. Plain JSON values.
        runtime: What runs it: hash of `wbc`'s source, versions of TensorFlow and Keras, kind of device.
        specification: The plain JSON of a `wbc.specification.Specification`; places of files belong here
            and not into the settings, for moving a folder changes nothing.
    """

    network: str
    settings: dict[str, Any]
    runtime: dict[str, Any]
    specification: dict[str, Any] = field(compare=False)

    @cached_property
    def key(self) -> str:
        """Hash of what the user asked for; `compare` matches trials by it."""
        return digest_of(self.settings)

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return self.settings["epochs"] + self.settings.get("head_epochs", 0)

    @cached_property
    def id(self) -> str:
        """Readable name that ends in a hash of key and runtime; resume and skip go by it."""
        settings = self.settings
        short = digest_of([self.key, self.runtime])[:8]
        epochs = f"-{settings['epochs']}e" if settings["epochs"] else ""
        split = settings.get("data", {}).get("split_seed")
        repeat = f"s{settings['seed']}" + (f"-split{split}" if split else "")
        readable = f"{self.network}-{settings['mode']}{epochs}-{repeat}"
        return f"{readable.lower()}-{short}"

    def flat(self) -> dict[str, Any]:
        """Settings and runtime, `optimizer.name` and the like."""
        return flatten({**self.settings, **self.runtime})

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the trial's results."""
        return {
            "id": self.id,
            "key": self.key,
            "network": self.network,
            "settings": self.settings,
            "runtime": self.runtime,
            "specification": dict(self.specification),
        }


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, their keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def digest_of(content: Any) -> str:
    """SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
