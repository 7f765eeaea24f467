"""From a suite file to what can be run: its trials, and where and within which limits they run."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bench.devices.machine import Choice, choose_slots
from bench.plan.decide import choose
from bench.suite.checks import check_backend, check_blocks, check_combination, warning_about
from bench.suite.file import Source, load_suite
from bench.suite.matrix import Combination, expand
from bench.suite.schema import Optimizer, SuiteFile
from bench.trials.datasets import DataSet, DataSets
from bench.trials.limits import Limits
from bench.trials.pretrained import Download, fetch
from bench.trials.runtime import find_runtime
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import Runtime, Settings
from bench.trials.trial import Trial
from wbc.backbones import find_backbone
from wbc.classical.catalog import Method
from wbc.errors import InputError
from wbc.networks.network import Network
from wbc.networks.weights import locate_weights
from wbc.optimizer import OptimizerSpecification
from wbc.options import OptionValue
from wbc.specification import PRETRAINED_MODES, WeightsSource

NO_WEIGHTS = WeightsSource("none")
"""Of classical methods, and of networks that are trained from scratch, hence from random values."""

DEFAULT_WEIGHTS = Path("weights")

_NOT_SPECIFIED = ("data", "weights", "protocol", "clock", "sources")
"""Settings that the worker need not know, or that it gets as places of files."""


@dataclass(frozen=True)
class ResolvedSuite:
    """A suite with everything that it names looked up."""

    name: str
    """Of its folder in the results; the file's name if the suite has none."""
    description: str
    path: Path
    """The file that it was read from."""
    trials: list[Trial]
    """Each once, in the order of the file."""
    chosen: list[Trial]
    """Those of them that `--only` chooses; all without it."""
    datasets: list[DataSet]
    """The data sets of the trials, each once."""
    downloads: list[Download]
    """Weights that are missing on this machine, each once."""
    warnings: list[str]
    """What is done as asked although it makes little sense, each once."""
    devices: Choice
    """Where trials run."""
    limits: Limits
    """Within which they run."""
    telemetry: TelemetrySettings
    """How they are sampled."""

    def with_weights(self) -> "ResolvedSuite":
        """The suite with all weights on this machine. The ids of trials change with the hash of their weights.

        Raises:
            InputError: Weights cannot be downloaded.
        """
        found = fetch(self.downloads)
        known = {trial.id: _with_weights(trial, found) for trial in self.trials}
        return replace(
            self,
            trials=list(known.values()),
            chosen=[known[trial.id] for trial in self.chosen],
            downloads=[],
        )


def resolve_suite(
    path: Path,
    cache: Path,
    devices: str | None = None,
    data: Path | None = None,
    weights: Path | None = None,
    only: str | None = None,
    runtime: Runtime | None = None,
) -> ResolvedSuite:
    """Read a suite and look up everything that it names. Nothing is written, started or downloaded.

    Args:
        path: The suite file, or the name of a suite that comes with leukobench.
        cache: Cache in the results folder.
        devices: Overrides `use` of `[devices]`.
        data: Overrides `path` of `[data]`.
        weights: Overrides `path` of `[weights]`.
        only: Chooses trials, see `bench.plan.decide.choose`.
        runtime: What runs the trials; None: this environment, on the chosen devices.

    Raises:
        InputError: Anything in the suite, the devices, the data or the weights is wrong.
    """
    suite, file = load_suite(path)
    name = _name(suite.suite.name, file)
    slots = _choose_slots(suite, file, devices)
    runtime = runtime or find_runtime(slots.slots[0].model)
    check_blocks(suite, file)
    lookup = _Lookup(suite, file, cache, data, weights)
    warnings: dict[str, None] = {}
    trials: dict[str, Trial] = {}
    for combination in expand(suite, file, folder_given=data is not None):
        dataset = lookup.dataset(combination)
        network, options = lookup.network(combination)
        source = lookup.weights(combination, network, options)
        check_combination(combination, source, suite, file)
        check_backend(combination, suite.devices.gpus_per_trial, file)
        warning = warning_about(combination, network, network.label(options))
        warnings |= dict.fromkeys(sentence for sentence in (dataset.warning, warning) if sentence)
        trial = _trial(suite, file, combination, network, options, dataset, source, runtime)
        trials.setdefault(trial.id, trial)
    return ResolvedSuite(
        name=name,
        description=suite.suite.description,
        path=file.path,
        trials=list(trials.values()),
        chosen=choose(list(trials.values()), only, "--only"),
        datasets=list(lookup.datasets.values()),
        downloads=list(lookup.downloads.values()),
        warnings=list(warnings),
        devices=slots,
        limits=suite.limits.limits(suite.devices.exclusive),
        telemetry=suite.telemetry.settings(),
    )


def name_of_suite(path: Path) -> str:
    """The name of the suite in a file."""
    suite, file = load_suite(path)
    return _name(suite.suite.name, file)


class _Lookup:
    """Finds what combinations name, each thing once.

    Args:
        suite: The suite.
        file: Where it was read from, for messages.
        cache: Cache in the results folder.
        data: Overrides `path` of `[data]`.
        weights: Overrides `path` of `[weights]`.
    """

    def __init__(
        self, suite: SuiteFile, file: Source, cache: Path, data: Path | None, weights: Path | None
    ) -> None:
        self.file, self._data_given = file, data is not None
        images = _checked("--data", data) or _folder_of(("data", "path"), suite.data.path, file)
        self._datasets = DataSets(cache, images, suite.data.groups)
        self._weights = _checked("--weights", weights)
        self._weights = self._weights or _folder_of(("weights", "path"), suite.weights.path, file)
        if self._weights is None and DEFAULT_WEIGHTS.is_dir():
            self._weights = DEFAULT_WEIGHTS
        self._located: dict[tuple[str, str, int], WeightsSource] = {}
        self.datasets: dict[str, DataSet] = {}
        self.downloads: dict[Path, Download] = {}

    def dataset(self, combination: Combination) -> DataSet:
        """The data set of a combination."""
        try:
            found = self._datasets.find(combination.source, combination.data, combination.image_size)
        except InputError as error:
            if self._data_given:
                raise InputError(f"--data: {error.what}", error.way_out) from None
            raise self.file.error(("data", "path"), error.what, error.way_out) from None
        return self.datasets.setdefault(found.digest, found)

    def network(self, combination: Combination) -> tuple[Network | Method, dict[str, OptionValue]]:
        """The network of a combination, or its classical method, with the options that are given."""
        try:
            given = combination.backbone.options
            network = find_backbone(combination.backbone.name, combination.mode, given)
            options = network.check_options(given)
            network.check_size(combination.image_size)
            network.sources()  # raises if a file is missing
        except InputError as error:
            place = ("matrix", combination.block, "backbone")
            raise self.file.error(place, error.what, error.way_out) from None
        return network, options

    def weights(
        self, combination: Combination, network: Network | Method, options: dict[str, OptionValue]
    ) -> WeightsSource:
        """Where the weights are that a combination starts from."""
        if combination.mode not in PRETRAINED_MODES:
            return NO_WEIGHTS
        choice, size = combination.weights, combination.image_size
        wanted = (choice, network.label(options), size)
        if wanted not in self._located:
            try:
                self._located[wanted] = locate_weights(
                    choice, network.name, options, image_size=size, weights_folder=self._weights
                )
            except InputError as error:
                place = ("matrix", combination.block, "backbone")
                raise self.file.error(place, error.what, error.way_out) from None
        found = self._located[wanted]
        if found.kind == "download" and found.path is not None and found.url is not None:
            path = found.path.resolve()
            self.downloads[path] = Download(network.name, options, size, found.url, path, found)
        return found


def _choose_slots(suite: SuiteFile, file: Source, devices: str | None) -> Choice:
    try:
        return choose_slots(devices or suite.devices.use, suite.devices.gpus_per_trial)
    except InputError as error:
        if devices is not None:
            raise
        raise file.error(("devices", "use"), error.what, error.way_out) from None


def _trial(
    suite: SuiteFile,
    file: Source,
    combination: Combination,
    network: Network | Method,
    options: dict[str, OptionValue],
    dataset: DataSet,
    weights: WeightsSource,
    runtime: Runtime,
) -> Trial:
    """The trial of a combination, with presets and defaults spelled out."""
    training = combination.meaningful()
    training.pop("weights", None)
    if "optimizer" in training:
        optimizer = _optimizer("optimizer", combination.optimizer, combination, file)
        training |= {"optimizer": optimizer.resolved(), "replicas": suite.devices.gpus_per_trial}
        for name in ("early_stopping", "augmentation"):
            table = getattr(combination, name)
            training[name] = table.model_dump() if table else None
    if "finetune_optimizer" in training:
        second = optimizer.slower()
        if combination.finetune_optimizer is not None:
            second = _optimizer("finetune_optimizer", combination.finetune_optimizer, combination, file)
        training["finetune_optimizer"] = second.resolved()
    named = weights.kind
    if weights.kind not in ("none", "random"):
        named = combination.weights if combination.weights == "imagenet" else Path(combination.weights).name
    shared: dict[str, Any] = {
        "network": combination.backbone.name,
        "options": options,
        "seed": combination.seed,
        **training,
    }
    settings = msgspec.convert(
        {
            **shared,
            "data": msgspec.to_builtins(dataset.settings),
            "weights": {"name": named, "sha256": weights.sha256},
            "sources": network.sources() or None,
        },
        Settings,
    )
    specification = {
        "data_folder": str(dataset.images.resolve()),
        "manifest": str(dataset.manifest.resolve()),
        "weights": _place_of(weights),
        **{key: value for key, value in shared.items() if key not in _NOT_SPECIFIED},
        # These change nothing in the result, so they are no settings.
        "reference_work": suite.telemetry.reference_work,
        "save_model": suite.suite.save_model,
        "profile": {"steps": suite.profile.steps} if suite.profile.steps else None,
    }
    runs_on = runtime.of(combination.mode, settings.backend)
    return Trial.of(network.label(options), settings, runs_on, specification)


def _optimizer(key: str, table: Optimizer, combination: Combination, file: Source) -> OptimizerSpecification:
    try:
        found = table.specification(combination.backbone.name)
        found.check()
    except InputError as error:
        raise file.error(("matrix", combination.block, key), error.what, error.way_out) from None
    return found


def _place_of(weights: WeightsSource) -> dict[str, str] | None:
    return {"kind": weights.kind, "path": str(weights.path.resolve())} if weights.path else None


def _with_weights(trial: Trial, found: dict[Path, WeightsSource]) -> Trial:
    """A trial with the place and the hash of weights that have been downloaded."""
    wanted = trial.specification["weights"]
    if not wanted or wanted["kind"] != "download":
        return trial
    source = found[Path(wanted["path"])]
    weights = msgspec.structs.replace(trial.settings.weights, sha256=source.sha256)
    settings = msgspec.structs.replace(trial.settings, weights=weights)
    specification = {**trial.specification, "weights": _place_of(source)}
    return Trial.of(trial.network, settings, trial.runtime, specification)


def _name(name: str | None, file: Source) -> str:
    """The suite's name, which is a folder in the results; the file's if it has none of its own."""
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", file.path.stem).strip("-._") or "suite"
    if name in ("cache", "mlartifacts") or name.startswith("mlflow.db"):
        raise file.error(
            ("suite", "name"),
            f"{name!r} is a name that the results folder uses itself",
            "Give [suite] another name.",
        )
    return name


def _folder_of(keys: tuple[str, str], text: str | None, file: Source) -> Path | None:
    """The folder that a key of the file names, which need not exist."""
    if not text:
        return None
    try:
        return _checked("", Path(text).expanduser())
    except RuntimeError:
        raise file.error(keys, f"the folder {text} cannot be found", "There is no such user.") from None
    except InputError as error:
        raise file.error(keys, error.what, error.way_out) from None


def _checked(option: str, path: Path | None) -> Path | None:
    """A path that the system accepts; not one that is too long or contains a zero byte."""
    try:
        if path is not None:
            path.stat()
    except FileNotFoundError:
        pass  # reported where it is needed
    except (OSError, ValueError) as error:
        shown = str(path) if len(str(path)) <= 60 else f"{str(path)[:60]}..."
        reason = error.strerror if isinstance(error, OSError) else str(error)
        what = f"the folder {shown!r} cannot be used: {reason}"
        raise InputError(f"{option}: {what}" if option else what) from None
    return path
