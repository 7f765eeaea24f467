"""Turn a folder of classes into a split one: `class/*` -> `train/ validation/ test/`."""

import shutil
from collections import defaultdict
from pathlib import Path

from wbc.data import PARTS
from wbc.data.folders import check_image, class_folders, list_images
from wbc.data.manifest import MANIFEST_NAME, ImageEntry, Manifest, file_sha256
from wbc.data.repeats import find_repeats, group_fields, read_field
from wbc.data.splitting import split_groups
from wbc.errors import InputError


def split_folder(source: Path, destination: Path, split_seed: int = 0, repeats: bool = True) -> Manifest:
    """Copy images into a new, split folder with a manifest; it appears whole or not at all.

    The split is stratified by class. Photographs that repeat each other go into one part, for otherwise the
    test would ask for images that training has shown.

    Args:
        source: Folder with a folder of images a class.
        destination: A folder that does not exist yet.
        split_seed: Another seed splits otherwise.
        repeats: Look for repeated photographs; every pair is compared, minutes for thousands of images.

    Raises:
        InputError: The source has no classes, an image that cannot be read or too few images of a class, or
            the destination is there already.
    """
    files = _images_by_class(source)
    if destination.exists():
        raise InputError(f"{destination} is there already", "Give the name of a new folder.")
    paths = [path for name in files for path in files[name]]
    for path in paths:
        check_image(path)
    pairs = find_repeats([read_field(path) for path in paths]) if repeats else []
    fields = group_fields(len(paths), pairs)
    group_of = {}
    classes_of = defaultdict(set)
    for field in fields:
        first = paths[next(iter(field))].relative_to(source).as_posix()
        for index in field:
            group_of[paths[index]] = first
            classes_of[first].add(paths[index].parent.name)
    parts = split_groups(classes_of, seed=split_seed)

    partial = destination.with_name(destination.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        images = []
        for path in paths:
            group = group_of[path]
            file = f"{parts[group]}/{path.relative_to(source).as_posix()}"
            (partial / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, partial / file)
            images.append(
                ImageEntry(file, parts[group], path.parent.name, group, file_sha256(partial / file))
            )
        images.sort(key=lambda image: (PARTS.index(image.part), image.file))
        manifest = Manifest(tuple(images), tuple(files), {"source": "folder", "split_seed": split_seed})
        manifest.write(partial)
        partial.rename(destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _images_by_class(source: Path) -> dict[str, list[Path]]:
    """The images of every class folder.

    Raises:
        InputError: There are fewer than two classes, or the folder is split already.
    """
    if not source.is_dir():
        raise InputError(f"there is no folder {source}", "It should hold a folder of images a class.")
    names = class_folders(source)
    if set(names) >= set(PARTS) or (source / MANIFEST_NAME).exists():
        raise InputError(f"{source} is split already", f'Use it as it is: path = "{source}" in [data].')
    files = {name: list_images(source / name) for name in names}
    files = {name: paths for name, paths in files.items() if paths}
    if len(files) < 2:
        raise InputError(
            f"{source} has {len(files)} folder{'' if len(files) == 1 else 's'} with images; "
            "telling images apart takes at least two classes",
            "It should hold a folder of images a class.",
        )
    return files
