"""Where a suite's images come from, and the cache in which each data set is prepared once.

The digest of a data set is known before it is made: a hash of what it is made from. It names the folder in the
cache, which is in the results folder.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench.trials.dataset_warnings import external_images, leak, lost, shared, unchecked
from bench.trials.folder_index import FolderIndex
from bench.trials.made_by import MADE_BY, source_digest
from bench.trials.settings import DataSettings, digest_of
from bench.trials.trial import Trial
from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.folders import inspect_folder
from wbc.data.layout import AS_IT_IS, FolderOptions
from wbc.data.manifest import MANIFEST_NAME, Manifest
from wbc.data.progress import Progress, no_progress, spoken
from wbc.data.reading import PLAIN, Reading
from wbc.errors import DataKeyError, InputError, command
from wbc.files import whole_folder

if TYPE_CHECKING:
    from wbc.data.pipeline.folds import Splitting
    from wbc.data.pipeline.stages import Original

DEFAULT_BCCD = Path("data/bccd")


@dataclass(frozen=True)
class DataSet:
    """A data set that may not be made yet."""

    settings: DataSettings
    """What it is made with, its source and its digest."""
    images: Path
    """Folder that the files of the manifest are relative to, absolute."""
    manifest: Path
    """Where its manifest is, once it is made; absolute."""
    make: Callable[[Path, Progress], Manifest]
    """Writes it into an empty folder and returns its manifest; told where to report progress."""
    classes: tuple[str, ...] = CELL_CLASSES
    """Class names in label order."""
    warning: str = ""
    """What makes it a poor choice, in a sentence; mostly empty."""
    external: "DataSet | None" = None
    """Images that trained classifiers are tested on as well; all of them are its test split."""

    @property
    def source(self) -> str:
        """`synthetic`, `bccd` or `folder`."""
        return self.settings.source

    @property
    def digest(self) -> str:
        """Identity of what it is made from."""
        return self.settings.digest

    @property
    def ready(self) -> bool:
        """Whether it is in the cache, with every file that belongs there, and so is its external test."""
        if self.external is not None and not self.external.ready:
            return False
        try:
            manifest = Manifest.read_file(self.manifest)
        except (OSError, ValueError, TypeError, KeyError):
            return False
        kept = self.images == self.manifest.parent
        return not kept or all((self.images / image.file).is_file() for image in manifest.images)

    def prepare(self, progress: Progress = no_progress) -> Manifest:
        """Make the data set unless it is ready; it appears whole or not at all.

        Args:
            progress: Called as the work goes on.

        Raises:
            InputError: It cannot be made from its source.
        """
        if self.external is not None:
            self.external.prepare(progress)
        if self.ready:
            return Manifest.read_file(self.manifest)
        folder = self.manifest.parent
        shutil.rmtree(folder, ignore_errors=True)  # damaged since
        with whole_folder(folder) as partial:
            manifest = self.make(partial, progress)
            manifest.write(partial)
        return manifest


def prepare_data(datasets: Sequence[DataSet], trials: Sequence[Trial], say: Callable[[str], None]) -> None:
    """Make the data sets that trials need and that are not ready, each once."""
    needed = {trial.settings.data.digest for trial in trials}
    missing = [one for one in datasets if one.digest in needed and not one.ready]
    for number, dataset in enumerate(missing, start=1):
        say(f"Preparing images: {dataset.source}, set {number} of {len(missing)}")
        dataset.prepare(spoken(say))


def _check_sources(originals: "Sequence[Original]", splitting: "Splitting", most: int | None = None) -> None:
    """Make sure that each split or fold can have a source of each class; most is `max_images_per_class`."""
    from wbc.data.pipeline.folds import check_sources

    try:
        check_sources(originals, splitting)
    except InputError as error:
        if most is not None:
            what, way_out = f"{most} are too few: {error.what}", "Raise it, or remove it."
            raise DataKeyError("max_images_per_class", what, way_out) from None
        if splitting.folds is not None:
            raise DataKeyError("folds", error.what, error.way_out) from None
        raise


class DataSets:
    """Finds data sets, each once.

    Args:
        cache: The cache in the results folder.
        path: Folder with the user's images, or with BCCD; None for the default.
        groups: New class -> the classes that it joins; None leaves the classes as they are.
        options: What the user's folder does not say of itself.
        reading: How the user's files become pixels.
        test_path: Folder of the images of an external test; None without one.
        most: Images of each class at most, for a pilot; None: all.
    """

    def __init__(
        self,
        cache: Path,
        path: Path | None,
        groups: Mapping[str, list[str]] | None = None,
        options: FolderOptions = AS_IT_IS,
        reading: Reading = PLAIN,
        test_path: Path | None = None,
        most: int | None = None,
    ) -> None:
        self.cache, self.path, self.groups = cache.absolute(), path, dict(groups or {})
        self.options, self.reading, self.test_path, self.most = options, reading, test_path, most
        self._inspected: dict[Path, Manifest] = {}
        self._external: DataSet | None = None
        self._known: dict[str, DataSet] = {}

    def find(self, source: str, data: Mapping[str, Any], image_size: int) -> DataSet:
        """The data set of a combination.

        Args:
            source: `synthetic`, `bccd` or `folder`.
            data: The settings that belong to the source.
            image_size: Height and width in pixels.

        Raises:
            InputError: The folder is missing or cannot be used.
        """
        wanted = json.dumps([source, data, image_size], sort_keys=True)
        if wanted not in self._known:
            if source == "synthetic":
                found = self._synthetic(data, image_size)
            elif source == "bccd":
                found = self._bccd(data, image_size)
            else:
                found = self._folder(data)
            self._known[wanted] = self._grouped(found) if self.groups else found
        return self._known[wanted]

    def _synthetic(self, data: Mapping[str, Any], image_size: int) -> DataSet:
        from wbc.data.synthetic import SyntheticSettings, generate

        settings = SyntheticSettings(image_size=image_size, **data)
        made_from = [asdict(settings), source_digest(*MADE_BY["synthetic"])]
        return self._cached(
            "synthetic", asdict(settings), made_from, lambda folder, _: generate(folder, settings)
        )

    def _bccd(self, data: Mapping[str, Any], image_size: int) -> DataSet:
        from wbc.data.bccd import BccdSettings, bccd_fingerprint, bccd_photographs, import_bccd

        source = self.path or DEFAULT_BCCD
        settings = BccdSettings(image_size=image_size, max_images_per_class=self.most, **data)
        _check_sources(bccd_photographs(source, settings.basophils), settings.splitting)
        plain = asdict(settings)
        new = ("basophils", "folds", "fold", "max_images_per_class")
        for name in new:  # so that trials without them keep their keys
            if not plain[name]:
                del plain[name]
        made_from = [plain, bccd_fingerprint(source), source_digest(*MADE_BY["bccd"])]
        found = self.cache / "near-duplicates"
        made = self._cached(
            "bccd",
            plain,
            made_from,
            lambda folder, progress: import_bccd(source, folder, settings, found, progress),
        )
        return replace(made, classes=settings.classes)

    def _folder(self, data: Mapping[str, Any]) -> DataSet:
        """The user's images as they are split, or split here."""
        if self.path is None:
            raise InputError(
                'source = "folder" needs a path', 'Add path = "FOLDER" to [data], or give --data FOLDER.'
            )
        images = self.path.resolve()
        manifest = self._sampled(self._inspect(images), data)
        whole = {image.split for image in manifest.images} == set(SPLITS)
        if whole and data:
            raise InputError(
                f"{self.path} is split by its author, so {' and '.join(sorted(data))} has no meaning",
                "Remove it, or give a folder with one folder of images per class.",
            )
        if not any(image.split for image in manifest.images) and not data:
            raise InputError(
                f"{self.path} is not split into train/, validation/ and test/ yet",
                f"Split it with: {command()} data prepare {images} data/{images.name}\n"
                "Or let each run split it: split_seed = 0 in [data], or folds = 5 for cross-validation.",
            )
        reading = Reading.of(manifest.settings).spelled_out()
        made_from: list[object] = [manifest.digest, *([reading] if reading else [])]
        settings: dict[str, object] = {"name": self.path.name, "max_images_per_class": self.most}
        settings |= {"reading": reading} if reading else {}

        def make(folder: Path, progress: Progress) -> Manifest:
            return manifest

        if not whole:
            from wbc.data.folding import originals_of, split_manifest
            from wbc.data.pipeline.folds import Splitting

            splitting = Splitting(**data)
            _check_sources(originals_of(manifest, images), splitting, self.most)
            found = self.cache / "near-duplicates"
            settings |= {key: value for key, value in asdict(splitting).items() if value is not None}
            made_from += [asdict(splitting), source_digest(*MADE_BY["folder"])]

            def make(folder: Path, progress: Progress) -> Manifest:
                return split_manifest(manifest, images, splitting, found, progress)

        cautions = [
            leak(manifest, self.path) or (unchecked(images, self.path) if whole else ""),
            lost(manifest, self.path),
        ]
        prepared = self._cached("folder", settings, made_from, make)
        return DataSet(
            prepared.settings,
            images,
            prepared.manifest,
            prepared.make,
            manifest.classes,
            " ".join(filter(None, cautions)),
        )

    def _sampled(self, manifest: Manifest, data: Mapping[str, Any]) -> Manifest:
        """The part of a folder that a pilot takes."""
        if self.most is None:
            return manifest
        from wbc.data.pipeline.sample import NOT_SAMPLED, sample

        kept, others = sample(manifest.images, self.most, data.get("split_seed", 0))
        left_out = {**manifest.left_out, **({NOT_SAMPLED: [one.file for one in others]} if others else {})}
        return replace(manifest, images=tuple(kept), left_out=left_out)

    def with_external_test(self, base: DataSet) -> DataSet:
        """A data set with the images of `test_path`, on which trained classifiers are tested as well.

        Raises:
            InputError: The folder cannot be used, or has other classes.
        """
        folder = self.test_path
        if folder is None:
            return base
        manifest = self._inspect(folder.resolve(), external=True)
        used = {name for names in self.groups.values() for name in names} or set(base.classes)
        missing = sorted(used - set(manifest.classes))
        more = sorted(set(manifest.classes) - used) if not self.groups else []
        if missing or more:
            lacks = [f"{folder} has no {', '.join(missing)}"] if missing else []
            has = [f"{folder} has {', '.join(more)}, which training has not"] if more else []
            raise InputError(
                f"the classes differ: {'; '.join(lacks + has)}",
                "Name classes alike in both folders. groups in [data] joins classes, and leaves out the others.",
            )
        if self._external is None:
            tested = self._sampled(external_images(manifest), {})
            reading = Reading.of(manifest.settings).spelled_out()
            made_from: list[object] = ["external", tested.digest, *([reading] if reading else [])]
            kept = self._cached("folder", {"name": folder.name}, made_from, lambda folder, _: tested)
            kept = replace(kept, images=folder.resolve(), classes=manifest.classes)
            self._external = self._grouped(kept) if self.groups else kept
        external = self._external
        warnings = [base.warning]
        if base.source == "folder" and self.path is not None:
            own = self._inspect(self.path.resolve())
            grouped = self.options.group is not None or self.options.group_column is not None
            warnings.append(shared(own, manifest, self.path, folder, grouped))
        return replace(
            base,
            settings=msgspec.structs.replace(
                base.settings, test_name=folder.name, test_digest=external.digest
            ),
            external=external,
            warning=" ".join(filter(None, warnings)),
        )

    def _grouped(self, base: DataSet) -> DataSet:
        """The same images under the names of groups of classes; only a manifest is made."""
        from wbc.data.manifest import check_groups, group_classes

        groups = self.groups
        check_groups(groups, base.classes)
        digest = digest_of([base.digest, groups])
        settings = msgspec.structs.replace(
            base.settings,
            digest=digest,
            groups={group: tuple(classes) for group, classes in groups.items()},
        )
        return DataSet(
            settings,
            base.images,
            self._place(digest) / MANIFEST_NAME,
            lambda folder, progress: group_classes(base.prepare(progress), groups),
            tuple(groups),
            base.warning,
        )

    def _cached(
        self,
        source: str,
        settings: Mapping[str, Any],
        made_from: Sequence[object],
        make: Callable[[Path, Progress], Manifest],
    ) -> DataSet:
        digest = digest_of([source, *made_from])
        typed = msgspec.convert({**settings, "source": source, "digest": digest}, DataSettings)
        folder = self._place(digest)
        return DataSet(typed, folder, folder / MANIFEST_NAME, make)

    def _place(self, digest: str) -> Path:
        return self.cache / "data" / digest[:16]

    def _inspect(self, folder: Path, external: bool = False) -> Manifest:
        """Read a user's folder, once. Files that have not changed since the last time are not decoded again."""
        if folder not in self._inspected:
            place = digest_of([str(folder), self.reading.pages])[:16]
            index = FolderIndex(self.cache / "index" / f"{place}.json")
            options = self.options
            if external and options.labels is not None and not (folder / options.labels).is_file():
                options = FolderOptions(group=options.group)  # it has folders of classes instead
            self._inspected[folder] = inspect_folder(
                folder,
                index.of,
                options,
                self.reading,
                split=False,
                keep=index.remember,
                white_optional=external,
            )
        return self._inspected[folder]
