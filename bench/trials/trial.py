"""A trial: one combination of a suite's settings, and its two names.

The key hashes what the user asked for; `compare` and `regress` match trials by it. The id ends in a hash of
the key and of what runs the trial; resume and skip go by it.
"""

from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from bench.trials.decode import decode_file
from bench.trials.readable import words_of
from bench.trials.settings import Runtime, Settings, digest_of


class Trial(Struct, frozen=True, kw_only=True, omit_defaults=True, eq=False):
    """What one worker process does; make it with `Trial.of`. Trials are equal if their ids are."""

    id: str
    """Readable name that ends in a hash of key and runtime: `vgg16-transfer-100e-s0-adam1e-3-1a2b3c4d`."""
    key: str
    """Hash of the settings."""
    network: str
    """Readable name of the network with its options, such as `MobileNet-alpha0.5`."""
    settings: Settings
    runtime: Runtime
    specification: dict[str, Any] = {}
    """What the worker reads: the JSON of a `wbc.specification.Specification`.

    Places of files are here and not in the settings, because moving a folder changes nothing. Records are
    without it.
    """

    @classmethod
    def of(cls, network: str, settings: Settings, runtime: Runtime, specification: dict[str, Any]) -> Self:
        """A trial with its names."""
        key = settings.key
        short = digest_of([key, msgspec.to_builtins(runtime)])[:8]
        epochs = f"-{settings.epochs}e" if settings.epochs else ""
        split = f"-split{settings.data.split_seed}" if settings.data.split_seed else ""
        fold = f"-fold{settings.data.fold}of{settings.data.folds}" if settings.data.fold else ""
        readable = f"{network}-{settings.mode}{epochs}-s{settings.seed}{split}{fold}".lower()
        return cls(
            id="-".join([readable, *words_of(settings), short]),
            key=key,
            network=network,
            settings=settings,
            runtime=runtime,
            specification=specification,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return self.settings.all_epochs

    @property
    def configuration_key(self) -> str:
        """Hash of what replicates have in common, what runs them included."""
        return digest_of([self.settings.configuration_key, msgspec.to_builtins(self.runtime)])

    @property
    def label(self) -> str:
        """Readable name of its configuration: network, mode, epochs, without seed and hash."""
        epochs = f"-{self.settings.epochs}e" if self.settings.epochs else ""
        return f"{self.network}-{self.settings.mode}{epochs}".lower()

    @property
    def measures_after_save(self) -> bool:
        """Whether something is measured after its model is saved."""
        return bool(self.specification.get("export") or self.specification.get("profile"))

    def flat(self) -> dict[str, Any]:
        """Settings and runtime as one table of plain values."""
        return {**self.settings.flat(), **self.runtime.versions()}

    def without_specification(self) -> "Trial":
        """As a record holds it."""
        return msgspec.structs.replace(self, specification={})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: `trial.json`."""
        return {**msgspec.to_builtins(self), "specification": {**self.specification}}


_DECODER = msgspec.json.Decoder(Trial)


def decode_trial(content: bytes, path: Path) -> Trial:
    """The trial in the content of a file.

    Args:
        content: The bytes of `trial.json`.
        path: The file, for messages.

    Raises:
        DamagedAttempt: It is truncated, or a field is missing or of another type.
    """
    return decode_file(_DECODER, content, path)
