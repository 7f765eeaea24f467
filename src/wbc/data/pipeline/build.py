"""From originals to the files of a data set: split by source, choose by quota, run the stages, write."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from wbc.data import SPLITS
from wbc.data.manifest import ImageEntry
from wbc.data.pipeline.augmentation import augment
from wbc.data.pipeline.decoding import decoding_pool
from wbc.data.pipeline.folds import Splitting, split_by
from wbc.data.pipeline.splitting import NONE_STAY, Quota, choose_images, image_rng
from wbc.data.pipeline.stages import Original, Stages, run_stages
from wbc.data.progress import Progress, no_progress
from wbc.errors import InputError
from wbc.files import file_sha256


@dataclass(frozen=True)
class Built:
    """The images of a data set that were written."""

    images: tuple[ImageEntry, ...]
    """The entries of the manifest in their order."""
    guessed: dict[str, list[str]]
    """Reason -> files whose background was removed by guess."""
    surplus: list[Original]
    """Originals that no image was made from."""


def build_splits(
    originals: Sequence[Original],
    classes: Sequence[str],
    quotas: Mapping[str, Quota],
    stages: Stages,
    seed: int,
    destination: Path,
    progress: Progress = no_progress,
    splitting: Splitting | None = None,
    stay: Mapping[str, str] = NONE_STAY,
) -> Built:
    """Split originals, choose the images of each split, and write them.

    Args:
        originals: The originals; those of one `source` stay in one split.
        classes: Class names in label order.
        quotas: Split -> how many images it takes.
        stages: What happens to each original.
        seed: Of the split, of the choice and of the augmentation.
        destination: The folder to write into.
        progress: Called after each original.
        splitting: How they are split; None: by usual shares and the seed.
        stay: Source -> split of those that are assigned already.

    Raises:
        InputError: A class has too few sources, or too few originals for its quota.
    """
    present = {original.class_name for original in originals}
    for name in classes:
        if name not in present:
            raise InputError(f"there is no usable image of class {name}", "Complete the folder.")
    split_of = split_by(originals, splitting or Splitting(seed), stay)
    chosen: list[tuple[Original, str, int]] = []
    surplus: list[Original] = []
    for split in SPLITS:
        here = {(one.class_name, one.name): one for one in originals if split_of[one.source] == split}
        names = {name: sorted(own for of, own in here if of == name) for name in classes}
        taken = choose_images(names, quotas[split], split, seed)
        chosen += [(here[key], split, copy) for key, copy in taken]
        used = {key for key, _ in taken}
        surplus += [original for key, original in here.items() if key not in used]
    used_originals = {one for one, _, _ in chosen}
    if len(used_originals) + len(surplus) != len(originals):
        raise AssertionError(
            f"{len(originals)} originals, {len(used_originals)} used, {len(surplus)} left out"
        )
    images, guessed = _write_images(destination, chosen, stages, seed, progress)
    if len({image.file for image in images}) != len(chosen):
        raise AssertionError(f"{len(chosen)} images have {len({image.file for image in images})} names")
    images.sort(key=lambda image: (SPLITS.index(image.split), image.file))
    return Built(tuple(images), guessed, surplus)


def _write_images(
    folder: Path,
    chosen: Iterable[tuple[Original, str, int]],
    stages: Stages,
    seed: int,
    progress: Progress,
) -> tuple[list[ImageEntry], dict[str, list[str]]]:
    """Write `<split>/<class>/<name>.png`; a photograph that no stage changes keeps its bytes and suffix.

    Returns:
        The entries of the manifest in any order, and reason -> files whose background was removed by guess.
    """
    by_original: dict[Original, list[tuple[str, int]]] = {}
    for original, split, copy in chosen:
        by_original.setdefault(original, []).append((split, copy))

    def write(item: tuple[Original, list[tuple[str, int]]]) -> tuple[list[ImageEntry], str]:
        original, wanted = item
        changed = stages.change(original)
        staged = run_stages(original, stages) if changed or any(copy for _, copy in wanted) else None
        entries = []
        for split, copy in wanted:
            suffix = ".png" if copy or changed else original.image.suffix
            file = f"{split}/{original.class_name}/{_image_name(original.name, copy)}{suffix}"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            if staged is None or suffix != ".png":
                (folder / file).write_bytes(original.image.read_bytes())
            else:
                pixels = staged.pixels
                if copy:
                    pixels = augment(pixels, image_rng(seed, original.name, copy))
                Image.fromarray(pixels).save(folder / file, "PNG", compress_level=1)
            sha256 = file_sha256(folder / file)
            entries.append(ImageEntry(file, split, original.class_name, original.source, sha256))
        return entries, staged.guessed if staged else ""

    images: list[ImageEntry] = []
    guessed: dict[str, list[str]] = {}
    with decoding_pool() as pool:
        for number, (entries, guess) in enumerate(pool.map(write, by_original.items()), 1):
            images += entries
            if guess:
                guessed.setdefault(guess, []).extend(entry.file for entry in entries)
            progress("images", number, len(by_original))
    return images, {reason: sorted(guessed[reason]) for reason in sorted(guessed)}


def _image_name(name: str, copy: int) -> str:
    """The name of an image: of the original itself, or with the number of the copy."""
    return f"{name}-a{copy:02d}" if copy else name
