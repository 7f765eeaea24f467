"""Classes joined into groups: mononuclear against polynuclear cells, for one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wbc.data import PARTS
from wbc.data.manifest import Manifest
from wbc.errors import InputError, did_you_mean


def check_groups(groups: Mapping[str, Sequence[str]], classes: Sequence[str]) -> None:
    """Check that groups can be made of classes.

    Raises:
        InputError: There are fewer than two groups, one is empty, or a class is unknown or in two of them.
    """
    if len(groups) < 2:
        raise InputError(
            f"groups has {len(groups)} group{'' if len(groups) == 1 else 's'}",
            "Telling images apart takes at least two.",
        )
    seen: dict[str, str] = {}
    for group, names in groups.items():
        if not names:
            raise InputError(f"the group {group} is empty", f"Known classes are {', '.join(classes)}.")
        for name in names:
            if name not in classes:
                hint = did_you_mean(name, classes) or f"Known are {', '.join(classes)}."
                raise InputError(f"there is no class {name!r} for the group {group}", hint)
            if seen.setdefault(name, group) != group or list(names).count(name) > 1:
                raise InputError(f"the class {name} is in groups twice", "A class belongs to one group.")


def group_classes(manifest: Manifest, groups: Mapping[str, Sequence[str]]) -> Manifest:
    """The manifest with groups for classes. Images of a class that is in no group are left out.

    Args:
        manifest: Of the whole data set; files stay where they are.
        groups: New class, in label order -> the classes that it joins.

    Raises:
        InputError: See `check_groups`.
    """
    check_groups(groups, manifest.classes)
    group_of = {name: group for group, names in groups.items() for name in names}
    images = [
        replace(image, class_name=group_of[image.class_name])
        for image in manifest.images
        if image.class_name in group_of
    ]
    images.sort(key=lambda image: (PARTS.index(image.part), image.file))
    left_out = dict(manifest.left_out)
    dropped = [image.file for image in manifest.images if image.class_name not in group_of]
    if dropped:
        left_out["class in no group"] = dropped
    settings = {**manifest.settings, "groups": {group: list(names) for group, names in groups.items()}}
    return Manifest(tuple(images), tuple(groups), settings, left_out)
