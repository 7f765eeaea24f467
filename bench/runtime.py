"""What runs the cells: versions and the kind of device, found without loading TensorFlow."""

from dataclasses import asdict, dataclass
from importlib import metadata

from bench.datasets import source_digest
from wbc.errors import InputError
from wbc.specification import KERAS_FREE_MODES


@dataclass(frozen=True)
class Runtime:
    """What a cell's result depends on besides its settings; half of the cell's id.

    Attributes:
        wbc: Hash of the source of `wbc`.
        tensorflow: Its version.
        keras: Its version.
        device: Name of the GPU or of the processor.
        scikit_learn: Its version; of modes without Keras only.
    """

    wbc: str
    tensorflow: str
    keras: str
    device: str
    scikit_learn: str = ""

    def of_mode(self, mode: str) -> dict[str, str]:
        """What cells of a mode depend on, as kept with them."""
        foreign = ("tensorflow", "keras") if mode in KERAS_FREE_MODES else ("scikit_learn",)
        return {name: value for name, value in asdict(self).items() if name not in foreign}


def find_runtime(device: str) -> Runtime:
    """Versions of this environment.

    Args:
        device: Name of the GPU or of the processor that cells run on.

    Raises:
        InputError: TensorFlow is not installed.
    """
    tensorflow = _version("tensorflow") or _version("tensorflow-cpu")
    if tensorflow is None:
        raise InputError("TensorFlow is not installed", "Run: make run, or pip install 'leukobench[cpu]'")
    return Runtime(
        wbc=source_digest()[:16],
        tensorflow=tensorflow,
        keras=_version("keras") or "",
        device=device,
        scikit_learn=_version("scikit-learn") or "",
    )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
