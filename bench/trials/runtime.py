"""What runs the trials: versions and the kind of device, found without loading TensorFlow."""

from dataclasses import asdict, dataclass

from bench.trials.backends import BACKENDS, backend_version, version_of
from bench.trials.datasets import source_digest
from wbc.specification import KERAS_FREE_MODES


@dataclass(frozen=True)
class Runtime:
    """What a trial's result depends on besides its settings; half of the trial's id.

    Attributes:
        wbc: Hash of the source of `wbc`.
        tensorflow: Its version; of trials with this backend only. Empty where it is not installed.
        keras: Its version.
        device: Name of the GPU or of the processor.
        scikit_learn: Its version; of modes without Keras only.
        jax: As `tensorflow`.
        torch: As `tensorflow`.
    """

    wbc: str
    tensorflow: str
    keras: str
    device: str
    scikit_learn: str = ""
    jax: str = ""
    torch: str = ""

    def of(self, mode: str, backend: str | None) -> dict[str, str]:
        """What trials of a mode depend on, as kept with them; modes without Keras have no backend."""
        foreign = (
            {*BACKENDS, "keras"} if mode in KERAS_FREE_MODES else {*BACKENDS, "scikit_learn"} - {backend}
        )
        return {name: value for name, value in asdict(self).items() if name not in foreign}


def find_runtime(device: str) -> Runtime:
    """Versions of this environment; what is not installed has none (see `backend_problems` in backends).

    Args:
        device: Name of the GPU or of the processor that trials run on.
    """
    return Runtime(
        wbc=source_digest()[:16],
        keras=version_of("keras") or "",
        device=device,
        scikit_learn=version_of("scikit-learn") or "",
        **{name: backend_version(name) for name in BACKENDS},
    )
