"""Folders of classes, perhaps in folders of splits."""

from collections import Counter, defaultdict
from pathlib import Path

from wbc.data import SPLITS
from wbc.data.layout.found import BY_FOLDER, FolderOptions, Found, Layout
from wbc.data.layout.names import OUTLINES, PICTURES, SPLIT_WORDS, composed, folders_in, splits_meant
from wbc.errors import command, did_you_mean


def by_folders(layout: Layout, candidates: list[Path], options: FolderOptions) -> None:
    """Classes, and perhaps splits, are folders."""
    root, tops = layout.root, folders_in(layout.root)
    meant = splits_meant(tops)
    any_split = bool(meant)
    chosen: dict[str, str] = {}
    for split in SPLITS:
        names = [name for name in tops if meant.get(name) == split]
        exact = [name for name in names if name.casefold() in SPLIT_WORDS[split]]
        if len(names) == 1 or len(exact) == 1:
            chosen[split] = (exact or names)[0]
        elif names:
            layout.refuse(
                f"{root} has several folders for {split}: {', '.join(names)}",
                "Leave one of them there. Another set for the test is test_path in [data].",
            )
    layout.splits = tuple(split for split in SPLITS if split in chosen)
    split_of = {name: split for split, name in chosen.items()}
    tops_of_classes = [root / chosen[split] for split in layout.splits] if any_split else [root]
    outlined = _outlined(tops_of_classes)
    flat: Counter[str] = Counter()
    nested: dict[Path, int] = {}
    for path in candidates:
        parts = path.relative_to(root).parts
        file = "/".join(parts)
        split = ""
        if any_split:
            if len(parts) == 1 or parts[0] not in split_of:
                where = f"{parts[0]}/" if len(parts) > 1 else "the folder itself"
                layout.left_out[f"outside of the splits, in {where}"].append(file)
                continue
            split, parts = split_of[parts[0]], parts[1:]
        if len(parts) == 1:
            if any_split:
                flat[chosen[split]] += 1
            layout.left_out["in no class folder"].append(file)
            continue
        if parts[1].casefold() in outlined.get(parts[0], ()):
            kind = parts[1].casefold()
            if kind in OUTLINES:
                layout.left_out[f"an outline, in {parts[1]}/"].append(file)
                continue
            parts = (parts[0], *parts[2:])
        if len(parts) > 2 and options.group != BY_FOLDER:
            nested.setdefault(root / Path(file).parent, len(parts))
            continue
        group = parts[1] if options.group == BY_FOLDER and len(parts) > 2 else None
        if options.group == BY_FOLDER and group is None:
            group = file  # an image beside the folders of groups is a group of its own
        layout.images.append(Found(path, file, composed(parts[0]), split, group))
    for folder in (top / name for top in tops_of_classes for name in folders_in(top)):
        if (
            options.group != BY_FOLDER
            and folder.name not in outlined
            and not any(one.is_relative_to(folder) for one in nested)
        ):
            nested |= {folder / name: 0 for name in folders_in(folder)[:1]}  # empty ones
    _look_at_names(layout, {name for top in tops_of_classes for name in folders_in(top)})
    if layout.problems:
        return
    _refuse_nested(layout, nested)
    _refuse_flat(layout, flat, any_split)
    if any_split:
        _check_splits(layout, chosen)
    elif not layout.problems:
        _check_filled(layout)


def _outlined(tops: list[Path]) -> dict[str, set[str]]:
    """Class -> names of folders in it, in lower case, of classes that hold pictures beside their outlines."""
    inner: dict[str, set[str]] = defaultdict(set)
    for folder in (top / name for top in tops for name in folders_in(top)):
        inner[folder.name] |= {name.casefold() for name in folders_in(folder)}
    return {
        name: inside
        for name, inside in inner.items()
        if inside & PICTURES and inside & OUTLINES and inside <= PICTURES | OUTLINES
    }


def _check_filled(layout: Layout) -> None:
    """Refuse class folders without anything in them."""
    full = {one.class_name for one in layout.images}
    for name in folders_in(layout.root):
        folder = layout.root / name
        if composed(name) not in full and not any(path.is_file() for path in folder.rglob("*")):
            layout.refuse(f"{folder} contains no image", "Put images of that class into it, or remove it.")


def _refuse_nested(layout: Layout, nested: dict[Path, int]) -> None:
    if not nested:
        return
    root, first = layout.root, sorted(nested)[0]
    above = [folder for folder in (first, *first.parents) if folder != root and folder.is_relative_to(root)]
    for folder in reversed(above) if not layout.splits else ():
        if splits_meant(folders_in(folder.parent)).get(folder.name):
            if folder.parent != root and len(folders_in(root)) > 1:
                layout.refuse(
                    f"the splits are in the classes, as in {folder}, but should be above them",
                    f"Move the images: {folder} to {root / folder.name / folder.relative_to(root).parts[0]}, and "
                    "so on.",
                )
            else:
                layout.refuse(f"the splits are in {folder.parent}", "Give that folder.")
            return
    if len(folders_in(root)) == 1 and not layout.images:
        layout.refuse(f"{root} has nothing but the folder {above[-1].name}", f"Give {above[-1]}.")
        return
    others = f" ({len(nested)} such folders)" if len(nested) > 1 else ""
    layout.refuse(
        f"{first} is a folder inside a class folder{others}",
        f'If it holds the images of one patient or slide, group by it: group = "folder" in [data], or --group '
        f"folder. Else move its images up into {first.parent}, or remove the folder.",
    )


def _refuse_flat(layout: Layout, flat: Counter[str], any_split: bool) -> None:
    """Images where folders of classes should be."""
    root = layout.root
    tables = sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    table = tables[0] if tables else ""
    named = f'If {table} holds the labels, name it: labels = "{table}" in [data], or --labels {table}.'
    way = named if tables else "Each split should contain one folder of images per class."
    for name, count in flat.items():
        classes = any(one.file.startswith(f"{name}/") for one in layout.images)
        layout.refuse(
            f"{root / name} has {count} image{'s' * (count > 1)} "
            + ("outside of its class folders" if classes else "but no class folders"),
            way,
        )
    if not any_split and not layout.images and "in no class folder" in layout.left_out:
        count = len(layout.left_out["in no class folder"])
        files = "1 file" if count == 1 else f"{count} files"
        layout.refuse(f"{root} has {files}, but no class folders", named if tables else usual_layout())


def _look_at_names(layout: Layout, names: set[str]) -> None:
    """Say what names of classes look like."""
    forms = defaultdict(set)
    for name in sorted(names):  # what is said is part of manifests
        forms[composed(name)].add(name)
    for name, written in sorted(forms.items()):
        if len(written) > 1:
            layout.notes.append(
                f"The class {name} is written in {len(written)} Unicode forms (a Mac takes accents apart); they "
                "are read as one class."
            )
    cased = defaultdict(set)
    for name in forms:
        cased[name.casefold()].add(name)
    layout.notes += [
        f"The classes {' and '.join(sorted(alike))} differ only in upper and lower case."
        for alike in cased.values()
        if len(alike) > 1
    ]
    lowered = cased.keys()
    if lowered & PICTURES and lowered & OUTLINES:
        layout.refuse(
            f"{layout.root} has folders {', '.join(sorted(names))}: a segmentation set of pictures and their "
            "outlines, which are no classes",
            'A classifier needs one folder of images per class, or a table of labels: labels = "labels.csv".',
        )


def _check_splits(layout: Layout, chosen: dict[str, str]) -> None:
    """Refuse what is missing from the splits, all at once."""
    root = layout.root
    several = {split for split in splits_meant(folders_in(root)).values() if split not in chosen}
    missing = [split for split in ("train", "test") if split not in chosen and split not in several]
    if missing:
        others = [name for name in folders_in(root) if name not in chosen.values()]
        hints = [f" ({name}/: {guess})" for name in others if (guess := did_you_mean(name, missing))]
        layout.refuse(
            f"{root} has no {' and no '.join(f'{split}/' for split in missing)}{''.join(hints[:1])}",
            usual_layout(),
        )
    by_split: dict[str, set[str]] = {
        split: {composed(name) for name in folders_in(root / name_of)} for split, name_of in chosen.items()
    }
    full = Counter((one.split, one.class_name) for one in layout.images)
    classes = sorted(set().union(*by_split.values()))
    if not classes or (len(layout.images) == 0 and layout.problems):
        return
    for split, names in by_split.items():
        folder = root / chosen[split]
        for name in classes:
            if name not in names:
                guess = did_you_mean(
                    name,
                    sorted(one for one in names if sum(one in known for known in by_split.values()) == 1),
                )
                layout.refuse(
                    f"class {name} is missing from {folder}" + (f" ({guess})" if guess else ""),
                    "Every class needs a folder with images in train/, validation/ and test/.",
                )
            elif not full[split, name]:
                layout.refuse(
                    f"{folder / name} contains no image, but every class needs some in every split",
                    f"Put images of class {name} into {chosen[split]}/, or remove the class from all splits.",
                )
    if "validation" not in chosen and not layout.problems:
        layout.notes.append("There is no validation split: it is taken out of train, and the test is kept.")


def usual_layout() -> str:
    """How a folder of images usually looks, in sentences."""
    return (
        "It should contain one folder of images per class, or train/, validation/ and test/ with these. "
        f"`{command()} data prepare FROM TO` splits the former."
    )
