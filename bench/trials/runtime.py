"""What runs the trials: versions and the kind of device, found without loading TensorFlow."""

from bench.trials.backends import BACKENDS, backend_version, version_of
from bench.trials.datasets import source_digest
from bench.trials.settings import Runtime


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
