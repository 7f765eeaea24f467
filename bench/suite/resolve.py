"""From a suite file to what can be run: its trials, and where and within which limits they run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from bench.devices.machine import AcceleratorError, Choice, choose_slots
from bench.plan.decide import choose
from bench.suite.file import Keys, load_suite, name_of, usable
from bench.suite.matrix import expand, warning_about
from bench.suite.schema import CacheTable
from bench.trials.datasets import DataSet, DataSets
from bench.trials.layout import FEATURES, why_unusable
from bench.trials.limits import Limits
from bench.trials.pretrained import Download, fetch
from bench.trials.runtime import find_runtime
from bench.trials.sampling import TelemetrySettings
from bench.trials.settings import LARGEST, Runtime, Settings
from bench.trials.trial import Trial
from wbc.backbones import find_backbone
from wbc.classical.catalog import METHODS
from wbc.data.manifest import check_class_weight
from wbc.errors import DataKeyError, InputError
from wbc.networks.weights import locate_weights
from wbc.specification import BEST, FITTED_MODES, PRETRAINED_MODES, WeightsSource

NO_WEIGHTS = WeightsSource("none")
"""Of classical methods, and of networks that are trained from scratch, hence from random values."""

DEFAULT_WEIGHTS = Path("weights")

_NOT_SPECIFIED = ("data", "weights", "protocol", "clock", "sources")
"""Settings that the worker does not need, or that it gets as places of files."""


@dataclass(frozen=True)
class ResolvedSuite:
    """A suite with everything that it names looked up."""

    name: str
    """Of its folder in the results; the file's name if the suite has none."""
    description: str
    margin: float
    """Accuracies that differ by less count as equal in the report's answer, a share."""
    path: Path
    """The file that it was read from."""
    trials: list[Trial]
    """Each once, in the order of the file."""
    chosen: list[Trial]
    """Those of them that `--only` chooses; all without it."""
    datasets: list[DataSet]
    """The data sets of the trials, each once."""
    downloads: list[Download]
    """Weights that the chosen trials need and that are missing on this machine, each once."""
    warnings: list[str]
    """What is done as asked although it makes little sense, each once."""
    devices: Choice
    """Where trials run."""
    limits: Limits
    """Within which they run."""
    telemetry: TelemetrySettings
    """How they are sampled."""
    share_prefix: bool
    """Whether trials that differ only in epochs continue each other's training."""

    def with_weights(self) -> "ResolvedSuite":
        """The suite with the weights of its chosen trials on this machine. Their hash changes the ids of trials.

        Raises:
            InputError: Weights cannot be downloaded.
        """
        found = fetch(self.downloads)
        known = {}
        for trial in self.trials:
            known[trial.id] = trial
            missing = _missing(trial)
            if missing in found:
                source = found[missing]
                weights = msgspec.structs.replace(trial.settings.weights, sha256=source.sha256)
                settings = msgspec.structs.replace(trial.settings, weights=weights)
                specification = {**trial.specification, "weights": _place_of(source)}
                known[trial.id] = Trial.of(trial.network, settings, trial.runtime, specification)
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
    in_pairs: bool = False,
    choose_devices: Callable[..., Choice] = choose_slots,
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
        in_pairs: For `regress`: the best model is not kept, and no side uses features that another extracted.
        choose_devices: Finds slots where the trials run, as `bench.devices.machine.choose_slots` does here.

    Raises:
        InputError: Anything in the suite, the devices, the data or the weights is wrong.
    """
    suite, file = load_suite(path)
    name = name_of(suite, file)
    images = usable(data, "--data") if data else file.folder(("data", "path"), suite.data.path)
    test_path = file.folder(("data", "test_path"), suite.data.test_path)
    stored = usable(weights, "--weights") if weights else file.folder(("weights", "path"), suite.weights.path)
    if stored is None and DEFAULT_WEIGHTS.is_dir():
        stored = DEFAULT_WEIGHTS
    combinations = expand(suite, file, folder_given=data is not None)
    try:
        slots = choose_devices(
            devices or suite.devices.use,
            suite.devices.gpus_per_trial,
            backends={one.backend for one in combinations},
            accelerator=suite.devices.accelerator or "",
        )
    except AcceleratorError as error:
        raise file.error(("devices", "accelerator"), error.what, error.way_out) from None
    except InputError as error:
        if devices:
            raise
        raise file.error(("devices", "use"), error.what, error.way_out) from None
    runtime = runtime or find_runtime(slots.slots[0].model)

    try:
        most = suite.data.max_images_per_class
        finder = DataSets(
            cache, images, suite.data.groups, suite.data.options(), suite.data.reading(), test_path, most
        )
    except InputError as error:
        raise file.error(("data",), error.what, error.way_out) from None
    shared: dict[str, object] = {}
    if (suite.cache.features or suite.cache.pixels) and not in_pairs:
        given = file.folder(("cache", "path"), suite.cache.path)
        kept = given or cache / FEATURES
        if reason := why_unusable(kept, written=given is not None):
            what, way_out = (
                f"{'features' if suite.cache.features else 'pixels'} cannot be kept in {kept}: {reason}",
                "Name another folder: path in [cache].",
            )
            raise file.error(("cache", "path"), what, way_out) if given else InputError(what, way_out)
        shared = {"folder": str(kept.resolve()), "limit_bytes": suite.cache.limit}
    located: dict[tuple[str, str, int], WeightsSource] = {}
    datasets: dict[str, DataSet] = {}
    warnings: dict[str, None] = {}
    trials: dict[str, Trial] = {}
    downloads: dict[Path, Download] = {}
    for combination in combinations:
        if in_pairs and combination.batch_size == LARGEST:
            raise file.error(
                combination.place("batch_size"),
                "two versions may find room for other batches, and would not be compared at the same",
                "Give a number of images.",
            )
        size, source = combination.image_size, NO_WEIGHTS
        place: Keys = ("data", "path")
        try:
            dataset = finder.find(combination.source, combination.data, size)
            place = ("data", "test_path")
            dataset = finder.with_external_test(dataset)
            place = combination.place("class_weight")
            if isinstance(combination.class_weight, dict):
                check_class_weight(combination.class_weight, dataset.classes)
            place = ("matrix", combination.block, "backbone")
            network = find_backbone(combination.backbone.name, combination.mode, combination.backbone.options)
            options = network.check_options(combination.backbone.options)
            origin = network.sources()
            label = network.label(options)
            block = place
            place = combination.places.get("image_size", block)
            network.check_size(size)
            if combination.mode in PRETRAINED_MODES:
                place = combination.places.get("weights", block)
                wanted = (combination.weights, label, size)
                if wanted not in located:  # once: to hash a file takes seconds
                    located[wanted] = locate_weights(
                        combination.weights, network.name, options, image_size=size, weights_folder=stored
                    )
                source = located[wanted]
        except InputError as error:
            if isinstance(error, DataKeyError):
                place = combination.places.get(error.key, ("data", error.key))
            if place == ("data", "path") and data:
                raise InputError(f"--data: {error.what}", error.way_out) from None
            raise file.error(place, error.what, error.way_out) from None
        said = (dataset.warning, warning_about(combination, network, label))
        warnings |= dict.fromkeys(sentence for sentence in said if sentence)
        datasets.setdefault(dataset.digest, dataset)
        if source.kind == "download" and source.path is not None and source.url is not None:
            missing = source.path.resolve()
            downloads[missing] = Download(network.name, options, size, source.url, missing, source)
        named = source.kind if source.kind in ("none", "random") else Path(combination.weights).name
        settings = msgspec.convert(
            {
                **combination.spelled_out(file, suite.devices.gpus_per_trial),
                "data": msgspec.to_builtins(dataset.settings),
                "network": combination.backbone.name,
                "options": options,
                "weights": {"name": named, "sha256": source.sha256},
                "seed": combination.seed,
                "sources": origin or None,
            },
            Settings,
        )
        if fitted := settings.classifier:
            label = f"{label}-{METHODS[fitted.name].label(fitted.options)}"
        plain = msgspec.to_builtins(settings)
        specification = {
            **{key: value for key, value in plain.items() if key not in _NOT_SPECIFIED},
            "data_folder": str(dataset.images),
            "manifest": str(dataset.manifest),
            **_place_of_external(dataset),
            "weights": _place_of(source),
            # These change nothing in the result, so they are no settings.
            "reference_work": suite.telemetry.reference_work,
            "latency": suite.telemetry.latency,
            "save_model": _saves(suite.suite.save_model, combination.mode, in_pairs),
            "targets": sorted(set(suite.suite.targets)) or None,
            "export": {"formats": suite.suite.export} if suite.suite.export and settings.backend else None,
            "explain": {"what": suite.suite.explain} if suite.suite.explain and settings.backend else None,
            "profile": {"steps": suite.profile.steps} if suite.profile.steps else None,
            **_cache_of(shared, suite.cache, combination.mode),
        }
        runs_on = runtime.of(combination.mode, settings.backend)
        trial = Trial.of(label, settings, runs_on, specification)
        trials.setdefault(trial.id, trial)
    chosen = choose(list(trials.values()), only, "--only")
    return ResolvedSuite(
        name=name,
        description=suite.suite.description,
        margin=suite.suite.margin / 100,
        path=file.path,
        trials=list(trials.values()),
        chosen=chosen,
        datasets=list(datasets.values()),
        downloads=[downloads[path] for path in dict.fromkeys(map(_missing, chosen)) if path in downloads],
        warnings=list(warnings),
        devices=slots,
        limits=suite.limits.limits(suite.devices.exclusive),
        telemetry=suite.telemetry.settings(),
        share_prefix=suite.cache.share_prefix,
    )


def _place_of_external(dataset: DataSet) -> dict[str, str]:
    """Where an external test is; nothing without one, which an older `wbc` does not know."""
    external = dataset.external
    if external is None:
        return {}
    return {"external_folder": str(external.images), "external_manifest": str(external.manifest)}


def _cache_of(shared: dict[str, object], cache: CacheTable, mode: str) -> dict[str, object]:
    """What a trial shares with others; nothing where its mode has none of it. What is usual is not spelled out."""
    features = cache.features and mode in PRETRAINED_MODES
    if not shared or not (features or cache.pixels):
        return {}
    what = {"features": features, "pixels": True} if cache.pixels else {}
    return {"feature_cache": {**shared, **what}}


def _saves(asked: bool | str, mode: str, in_pairs: bool) -> bool | str:
    """What the worker is told: methods of scikit-learn have no model to keep."""
    return asked if asked != BEST or (not in_pairs and mode not in FITTED_MODES) else False


def _missing(trial: Trial) -> Path | None:
    """The file of weights that is still to be downloaded for a trial."""
    wanted = trial.specification["weights"]
    return Path(wanted["path"]) if wanted and wanted["kind"] == "download" else None


def _place_of(weights: WeightsSource) -> dict[str, str] | None:
    return {"kind": weights.kind, "path": str(weights.path.resolve())} if weights.path else None
