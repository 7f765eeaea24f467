"""From combinations to trials: networks checked, data and weights found and hashed."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bench.suite.consistency import check_combination, warn_of
from bench.suite.load import Source, load_suite
from bench.suite.matrix import Combination, expand
from bench.suite.modes import check_backend, check_blocks, meaningful
from bench.suite.schema import SuiteFile
from bench.trials.datasets import DataSet, DataSets
from bench.trials.pretrained import Download
from bench.trials.settings import Runtime, Settings
from bench.trials.trial import Trial
from wbc.backbones import find_backbone
from wbc.classical.catalog import Method
from wbc.errors import InputError
from wbc.networks.network import Network
from wbc.networks.weights import locate_weights
from wbc.optimizer import OptimizerSpecification
from wbc.specification import PRETRAINED_MODES, WeightsSource

NO_WEIGHTS = WeightsSource("none")
"""Of a network trained from scratch, which starts from random values by definition, and of methods."""

HARNESS_KEYS = ("protocol", "clock")
"""Settings that an experiment need not know: what a protocol sets is spelled out, and both clocks run."""

DEFAULT_WEIGHTS = Path("weights")


@dataclass(frozen=True)
class ResolvedSuite:
    """A suite that can be run.

    Attributes:
        name: Its name; the file's where the suite gives none.
        description: Of the suite.
        path: The file that it was read from.
        trials: Each once, in the order of the file.
        datasets: The data sets of the trials, each once.
        downloads: Weights that are missing here, each once.
        warnings: What makes little sense, but is done as asked; each once.
    """

    name: str
    description: str
    path: Path
    trials: list[Trial]
    datasets: list[DataSet]
    downloads: list[Download]
    warnings: list[str]


def resolve_suite(
    path: Path, runtime: Runtime, cache: Path, data: Path | None = None, weights: Path | None = None
) -> ResolvedSuite:
    """Read a suite and look up everything that it names; nothing is written.

    Args:
        path: The suite file.
        runtime: What will run the trials.
        cache: Cache in the results folder.
        data: Goes before `path` of `[data]`.
        weights: Goes before `path` of `[weights]`.

    Raises:
        InputError: Anything in the suite, the data or the weights is wrong.
    """
    return resolve_loaded(*load_suite(path), runtime, cache, data, weights)


def resolve_loaded(
    suite: SuiteFile,
    file: Source,
    runtime: Runtime,
    cache: Path,
    data: Path | None = None,
    weights: Path | None = None,
) -> ResolvedSuite:
    """The same for a suite that is read already; a pipe can be read but once."""
    check_blocks(suite, file)
    combinations = expand(suite, file, folder_given=data is not None)
    images = _checked("--data", data) or _folder_of(("data", "path"), suite.data.path, file)
    datasets = DataSets(cache, images, suite.data.groups)
    weights_folder = _checked("--weights", weights)
    weights_folder = weights_folder or _folder_of(("weights", "path"), suite.weights.path, file)
    if weights_folder is None and DEFAULT_WEIGHTS.is_dir():
        weights_folder = DEFAULT_WEIGHTS

    trials: dict[str, Trial] = {}
    used: dict[str, DataSet] = {}
    downloads: dict[Path, Download] = {}
    located: dict[tuple, WeightsSource] = {}
    warnings: dict[str, None] = {}
    for combination in combinations:
        try:
            dataset = datasets.find(combination.source, combination.data, combination.training["image_size"])
        except InputError as error:
            if data is not None:
                raise InputError(f"--data: {error.what}", error.way_out) from None
            raise file.error(("data", "path"), error.what, error.way_out) from None
        if dataset.warning:
            warnings[dataset.warning] = None
        network, options = _check_network(combination, file)
        size, choice = combination.training["image_size"], combination.training["weights"]
        source = NO_WEIGHTS
        if combination.training["mode"] in PRETRAINED_MODES:
            wanted = (choice, network.label(options), size)
            if wanted not in located:
                try:
                    located[wanted] = locate_weights(
                        choice, network.name, options, image_size=size, weights_folder=weights_folder
                    )
                except InputError as error:
                    raise file.error(
                        ("matrix", combination.block, "backbone"), error.what, error.way_out
                    ) from None
            source = located[wanted]
            if source.kind == "download":
                downloads.setdefault(source.path, Download(network.name, options, size, source))
        check_combination(combination, source, suite, file)
        if warning := warn_of(combination, network, network.label(options)):
            warnings[warning] = None
        training = _explicit(combination, file)
        if "optimizer" in training:
            training["replicas"] = suite.devices.gpus_per_trial
        check_backend(training, combination.block, file)
        trial = _trial(replace(combination, training=training), network, options, dataset, source, runtime)
        # These change nothing that is computed: they are in neither key nor id.
        if suite.suite.save_model:
            trial.specification["save_model"] = True
        trial.specification["reference_work"] = suite.telemetry.reference_work
        if suite.profile.steps:
            trial.specification["profile"] = {"steps": suite.profile.steps}
        trials.setdefault(trial.id, trial)
        used.setdefault(dataset.digest, dataset)
    return ResolvedSuite(
        name=_name(suite.suite.name, file),
        description=suite.suite.description,
        path=file.path,
        trials=list(trials.values()),
        datasets=list(used.values()),
        downloads=list(downloads.values()),
        warnings=list(warnings),
    )


def _check_network(combination: Combination, file: Source):
    place = ("matrix", combination.block, "backbone")
    try:
        given = combination.backbone.options
        network = find_backbone(combination.backbone.name, combination.training["mode"], given)
        options = network.check_options(given)
        network.check_size(combination.training["image_size"])
        network.sources()  # raises where a file is missing
    except InputError as error:
        raise file.error(place, error.what, error.way_out) from None
    return network, options


def _explicit(combination: Combination, file: Source) -> dict[str, Any]:
    """The settings that mean something, as plain values: presets and defaults spelled out."""
    training = meaningful(combination.training)
    if "optimizer" in training:
        training["optimizer"] = _optimizer("optimizer", combination, file)
    if "finetune_optimizer" in training:
        if training["finetune_optimizer"] is None:
            slower = OptimizerSpecification(**training["optimizer"]).slower()
            training["finetune_optimizer"] = slower.resolved()
        else:
            training["finetune_optimizer"] = _optimizer("finetune_optimizer", combination, file)
    for switch in ("early_stopping", "augmentation"):
        if switch in training:
            training[switch] = training[switch].model_dump() if training[switch] else None
    return training


def _optimizer(key: str, combination: Combination, file: Source) -> dict[str, Any]:
    try:
        return combination.training[key].specification(combination.backbone.name).resolved()
    except InputError as error:
        raise file.error(("matrix", combination.block, key), error.what, error.way_out) from None


def _trial(
    combination: Combination,
    network: Network | Method,
    options: dict,
    dataset: DataSet,
    weights: WeightsSource,
    runtime: Runtime,
) -> Trial:
    training = dict(combination.training)
    choice = training.pop("weights", None)
    if weights.kind in ("none", "random"):
        named = weights.kind
    else:
        named = choice if choice == "imagenet" else Path(choice).name
    settings = {
        "data": {"source": dataset.source, **dataset.settings, "digest": dataset.digest},
        "network": combination.backbone.name,
        "options": options,
        "weights": {"name": named, "sha256": weights.sha256},
        "seed": combination.seed,
        **training,
    }
    if sources := network.sources():
        settings["sources"] = sources
    specification = {
        "data_folder": str(dataset.images.resolve()),
        "manifest": str(dataset.manifest.resolve()),
        "network": combination.backbone.name,
        "options": options,
        "weights": {"kind": weights.kind, "path": str(weights.path.resolve())} if weights.path else None,
        "seed": combination.seed,
        **{key: value for key, value in training.items() if key not in HARNESS_KEYS},
    }
    runs_on = runtime.of(training["mode"], training.get("backend"))
    return Trial.of(network.label(options), msgspec.convert(settings, Settings), runs_on, specification)


def name_of_suite(path: Path) -> str:
    """The name of the suite in a file."""
    suite, file = load_suite(path)
    return _name(suite.suite.name, file)


def _name(name: str | None, file: Source) -> str:
    """The suite's name, which is a folder in the results; the file's where it has none of its own."""
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", file.path.stem).strip("-._") or "suite"
    if name in ("cache", "mlartifacts") or name.startswith("mlflow.db"):
        raise file.error(
            ("suite", "name"),
            f"{name!r} is a name that the results folder uses itself",
            "Give [suite] another name.",
        )
    return name


def _folder_of(keys: tuple[str, str], text: str | None, file: Source) -> Path | None:
    """The folder that a key of the file names, which need not be there."""
    if not text:
        return None
    try:
        return _checked("", Path(text).expanduser())
    except RuntimeError:
        raise file.error(keys, f"the folder {text} cannot be found", "There is no such user.") from None
    except InputError as error:
        raise file.error(keys, error.what, error.way_out) from None


def _checked(option: str, path: Path | None) -> Path | None:
    """A path that the system takes as one; what is too long or holds a zero byte, it does not."""
    try:
        if path is not None:
            path.stat()
    except FileNotFoundError:
        pass  # said where it is needed
    except (OSError, ValueError) as error:
        shown = str(path) if len(str(path)) <= 60 else f"{str(path)[:60]}..."
        reason = error.strerror if isinstance(error, OSError) else str(error)
        what = f"the folder {shown!r} cannot be used: {reason}"
        raise InputError(f"{option}: {what}" if option else what) from None
    return path
