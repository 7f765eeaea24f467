"""From the matrix of a suite to its combinations, without those that contradict themselves.

The combinations are the product of the sweeps within a block, and the union over blocks.
"""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from bench.suite.combination import DEFAULTS, Combination, modes_of
from bench.suite.file import Keys, Source
from bench.suite.schema import DataKeys, DataTable, MatrixBlock, SuiteFile, Table, ThesisTable, TrainingTable
from bench.trials.settings import LARGEST
from wbc.backends import COMPILED_BACKENDS, ONLY_TENSORFLOW
from wbc.classical.catalog import Method
from wbc.networks.network import Network
from wbc.optimizer import SEARCH
from wbc.protocols import settings_of
from wbc.specification import FITTED_MODES, KERAS_FREE_MODES, MODES

OWN_KEYS = {
    "synthetic": (
        "data_seed",
        "train_images_per_class",
        "validation_images_per_class",
        "test_images_per_class",
    ),
    "bccd": (
        "split_seed",
        "train_images_per_class",
        "margin",
        "background",
        "test_cells_per_class",
        "test_copies",
        "basophils",
    ),
    "folder": ("split_seed",),
}
"""Keys of `[data]` that have a meaning for some sources only."""

OF_ANY = {"path", "test_path", "groups"}
"""Keys of `[data]` that are no sweeps and have a meaning for every source."""

OF_PHOTOGRAPHS = {"folds", "max_images_per_class"}
"""Those with a meaning for the user's own folder and for BCCD; all others are about the folder."""

MOST_TRIALS = 10_000
"""Of a block, with folds and seeds: `plan` takes 18 s for so many, and nobody runs more by intention."""

_SHARED_DATA_KEYS = {"source", "image_size", "preprocessing"}


def expand(suite: SuiteFile, file: Source, folder_given: bool = False) -> list[Combination]:
    """All combinations, in the order of the file.

    Args:
        suite: The suite.
        file: Where it was read from.
        folder_given: The caller names a folder of images, as `path` of `[data]` would.

    Raises:
        InputError: A key has no meaning for any mode that it is set for, or for the source of the images; or
            settings contradict each other.
    """
    _check_blocks(suite, file)
    default_source = "folder" if suite.data.path or folder_given else "synthetic"
    found = [
        combination
        for number, block in enumerate(suite.matrix)
        for combination in _of_block(suite, number, block, default_source, file)
    ]
    for combination in found:
        _check(combination, suite, file)
    sources = {one.source for one in found}
    _check_data_keys(suite, file, sources)
    if sources == {"synthetic"} and default_source == "folder":
        raise file.error(
            ("data", "source"),
            'source = "synthetic" generates its images, but a folder of images is named too',
            "Remove the source to use the folder, or name no folder.",
        )
    return found


def _check_blocks(suite: SuiteFile, file: Source) -> None:
    """Make sure that every setting has a meaning in some mode that it is set for.

    `[training]` is shared: its settings may have no meaning for some blocks, but not for all.

    Raises:
        InputError: A setting has no meaning.
    """
    every_mode: set[str] = set()
    for number, block in enumerate(suite.matrix):
        modes = block.mode or suite.training.mode or [Combination.mode]
        every_mode.update(modes)
        for key in (*TrainingTable.model_fields, "preprocessing"):
            if getattr(block, key) is not None and modes_of(key).isdisjoint(modes):
                raise file.error(("matrix", number, key), *_no_meaning(key, modes))
        for key in ThesisTable.model_fields:
            if getattr(block.thesis, key) is not None and modes_of(key).isdisjoint(modes):
                raise file.error(("matrix", number, "thesis", key), *_no_meaning(key, modes))
    if every_mode.isdisjoint(modes_of("optimizer")):  # no network is trained
        for key in ("export", "explain"):
            if getattr(suite.suite, key):
                shown = ", ".join(f'"{mode}"' for mode in sorted(every_mode))
                raise file.error(
                    ("suite", key),
                    f"has no meaning for mode = {shown}",
                    "Remove it: it is of networks alone.",
                )
    for key in TrainingTable.model_fields:
        if getattr(suite.training, key) is not None and modes_of(key).isdisjoint(every_mode):
            raise file.error(("training", key), *_no_meaning(key, sorted(every_mode)))


def warning_about(combination: Combination, network: Network | Method, label: str) -> str | None:
    """What a user should know about a trial before it costs time; None if there is nothing.

    Args:
        combination: The settings of the trial.
        network: The network, or a classical method.
        label: Its name with its options.
    """
    scales_inside = isinstance(network, Network) and network.scales_inside
    if scales_inside and combination.preprocessing == "rescale":
        return (
            f'{label} scales its pixels itself: with preprocessing = "rescale" they are scaled twice and '
            'become almost black. preprocessing = "network" is what it expects.'
        )
    return None


def _check(combination: Combination, suite: SuiteFile, file: Source) -> None:
    """Refuse settings that contradict each other, or that only TensorFlow supports."""
    if combination.mode == "finetune" and combination.weights == "random":
        raise file.error(
            combination.place("weights"),
            'mode = "finetune" starts from pretrained weights, but these are random',
            'Name weights, or set mode = "scratch", which trains the whole network from random ones.',
        )
    if combination.mode in FITTED_MODES - KERAS_FREE_MODES and combination.batch_size == LARGEST:
        raise file.error(
            combination.place("batch_size"),
            f'"{LARGEST}" has no meaning for mode = "{combination.mode}", which trains in no batches',
            "Give a number of images.",
        )
    own = combination.finetune_optimizer
    if combination.mode == "finetune" and own and own.learning_rate == SEARCH:
        raise file.error(
            combination.place("finetune_optimizer"),
            "a learning rate is searched for the first stage only",
            "Search it in optimizer; without finetune_optimizer the second stage takes a tenth of it.",
        )
    if combination.mode == "transfer" and combination.augmentation:
        raise file.error(
            combination.place("augmentation"),
            'mode = "transfer" extracts the features of each image once, so images cannot change every epoch',
            'Put it into a block with mode = "finetune" or "scratch", or let data prepare make more images.',
        )
    if combination.mode == "transfer" and combination.loop == "compiled":
        _check_loop(combination, suite, file)
    if combination.backend == "tensorflow" or combination.mode in KERAS_FREE_MODES:
        return
    for key, (harmless, reason) in ONLY_TENSORFLOW.items():
        value = suite.devices.gpus_per_trial if key == "replicas" else getattr(combination, key)
        if value != harmless:
            place = ("devices", "gpus_per_trial") if key == "replicas" else combination.place(key)
            raise file.error(
                place,
                f'{json.dumps(value)} is not for backend = "{combination.backend}": {reason}',
                f'Remove {place[-1]} for this backend, or set backend = "tensorflow".',
            )


def _check_loop(combination: Combination, suite: SuiteFile, file: Source) -> None:
    """Refuse a compiled loop where nothing can compile it."""
    if combination.backend not in COMPILED_BACKENDS:
        raise file.error(
            combination.place("loop"),
            f'"compiled" is not for backend = "{combination.backend}", which compiles no loop',
            'Set loop = "fit" for it, or backend = "tensorflow" or "jax".',
        )
    if combination.steps_per_execution > 1:
        raise file.error(
            combination.place("steps_per_execution"),
            'has no meaning for loop = "compiled", which does many steps in one call anyway',
            'Remove it, or set loop = "fit".',
        )
    if suite.devices.gpus_per_trial > 1:
        raise file.error(
            combination.place("loop"),
            f'"compiled" trains on one device, but gpus_per_trial is {suite.devices.gpus_per_trial}',
            'Set loop = "fit", or gpus_per_trial = 1.',
        )


def _of_block(
    suite: SuiteFile, number: int, block: MatrixBlock, source: str, file: Source
) -> Iterator[Combination]:
    """The product of the sweeps of a block; InputError where that is more than anybody runs."""
    ours = ("matrix", number)
    tables: dict[Keys, Table] = {
        ("data",): suite.data,
        ("training",): suite.training,
        ("thesis",): suite.thesis,
    }
    tables |= {ours: block, (*ours, "thesis"): block.thesis}
    sweeps: dict[str, Sequence[Any]] = {"backbone": block.backbone, "source": [source]}
    sweeps |= {key: [value] for key, value in DEFAULTS.items()}
    places: dict[str, Keys] = {"backbone": (*ours, "backbone")}
    for place, table in tables.items():
        for key in (*DataKeys.model_fields, *TrainingTable.model_fields, *ThesisTable.model_fields):
            if _gives(table, key):
                sweeps[key], places[key] = getattr(table, key), (*place, key)
    count = math.prod(map(len, (*sweeps.values(), suite.suite.seeds))) * (suite.data.folds or 1)
    if count > MOST_TRIALS:
        raise file.error(
            ours,
            f"its lists multiply to {count:,} trials, more than {MOST_TRIALS:,}",
            "Give fewer values, or make several suites of it.",
        )
    for values in itertools.product(*sweeps.values()):
        point = dict(zip(sweeps, values, strict=True))
        of_protocol = settings_of(point["protocol"], point["mode"])
        point |= {key: value for key, value in of_protocol.items() if key not in places}
        data = {key: point.pop(key) for key in DataKeys.model_fields if key in point and key not in DEFAULTS}
        chosen = data.pop("source")
        data = {key: value for key, value in data.items() if key in OWN_KEYS[chosen]}
        folds = suite.data.folds if chosen != "synthetic" else None
        tested = [{"folds": folds, "fold": fold} for fold in range(1, folds + 1)] if folds else [{}]
        for fold, seed in itertools.product(tested, suite.suite.seeds):
            own = {**data, **fold}
            yield Combination(block=number, source=chosen, data=own, seed=seed, places=places, **point)


def _gives(table: Table, key: str) -> bool:
    return getattr(table, key, None) is not None


def _check_data_keys(suite: SuiteFile, file: Source, sources: set[str]) -> None:
    for key in DataTable.model_fields.keys() - DataKeys.model_fields.keys() - OF_ANY:
        fitting = {"folder", "bccd"} if key in OF_PHOTOGRAPHS else {"folder"}
        if not sources & fitting and getattr(suite.data, key) is not None:
            raise file.error(
                ("data", key),
                "has no meaning for the images of this suite",
                'It belongs to source = "folder"; remove it, or name your folder: path = "FOLDER".',
            )
    used = {key for source in sources for key in OWN_KEYS[source]}
    places: list[tuple[tuple[str | int, ...], DataKeys]] = [(("data",), suite.data)]
    places += [(("matrix", number), block) for number, block in enumerate(suite.matrix)]
    for place, table in places:
        for key in DataKeys.model_fields:
            if key not in _SHARED_DATA_KEYS | used and getattr(table, key) is not None:
                having = next(source for source, keys in OWN_KEYS.items() if key in keys)
                raise file.error(
                    (*place, key),
                    "has no meaning for the images of this suite",
                    f'It belongs to source = "{having}"; remove it, or choose that source.',
                )


def _no_meaning(key: str, modes: list[str]) -> tuple[str, str]:
    named = ", ".join(f'"{mode}"' for mode in modes)
    fitting = " or ".join(f'"{mode}"' for mode in MODES if mode in modes_of(key))
    return f"has no meaning for mode = {named}", f"Remove it, or put it into a block with mode = {fitting}."
