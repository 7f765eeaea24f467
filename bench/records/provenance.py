"""Where a result comes from: from the journals of harness and worker. Pure functions."""

from collections.abc import Sequence

from bench.journal.events import MachineTold, RunnerEvent, Started, last
from bench.trials.origin import Environment, Provenance, Seeds
from bench.trials.settings import digest_of
from bench.trials.trial import Trial


def provenance_of(runner: Sequence[RunnerEvent], environment: Environment | None, trial: Trial) -> Provenance:
    """The origin of a result.

    Args:
        runner: The harness' events.
        environment: What the worker said of itself.
        trial: The trial.
    """
    started, told = last(runner, Started), last(runner, MachineTold)
    packages = environment.packages if environment else {}
    settings = trial.settings
    return Provenance(
        host=started.provenance.host if started else None,
        commit=(told.commit if told else None) or (started.provenance.commit if started else None),
        driver=started.provenance.driver if started else None,
        machine=told.machine if told else None,
        leukobench=told.leukobench if told else None,
        packages_sha256=digest_of(packages) if packages else None,
        data_digest=settings.data.digest,
        weights_sha256=settings.weights.sha256,
        seeds=Seeds(
            seed=settings.seed,
            split_seed=settings.data.split_seed,
            data_seed=settings.data.data_seed,
            deterministic=settings.deterministic,
        ),
    )
