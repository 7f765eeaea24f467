"""What is known about a network without building it: sizes, options, ImageNet weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wbc.errors import InputError
from wbc.options import Configurable, Option


@dataclass(frozen=True)
class WeightsFile:
    """A file of ImageNet weights: its name in Keras' cache and the address that Keras loads it from."""

    name: str
    url: str


@dataclass(frozen=True)
class ImageNetWeights:
    """The files of ImageNet weights that Keras offers for a network without its top.

    Attributes:
        folder: The address of the folder that holds the files, with a slash at its end.
        file: Name in Keras' cache; `{variant}` and `{size}` are filled in.
        variants: Values of the options that change the backbone, in their order -> text of the variant.
            Other values have no weights.
        sizes: Input sizes with weights of their own; any other size takes the weights of the native one.
        remote: Name at the address where it differs from the name in the cache.
    """

    folder: str
    file: str
    variants: Mapping[tuple, str] = field(default_factory=lambda: {(): ""})
    sizes: tuple[int, ...] = ()
    remote: str = ""


@dataclass(frozen=True, eq=False)
class Network(Configurable):
    """A network that a suite may name.

    Attributes:
        name: Its name; in `keras.applications`, if it stands there.
        module: The module of `keras.applications`, or of `wbc.networks.papers`, whose `preprocess_input`
            is the network's own.
        native_size: Width and height in pixels of the images that it was designed for.
        min_size: Smallest width and height in pixels that it accepts, with and without its top.
        imagenet: The ImageNet weights that Keras offers, or None.
        options: The options that a suite may set, in the order of labels.
        builder: The function of the module of `wbc.networks.papers` that builds it; empty where
            `keras.applications` does.
        scales_inside: The network scales its pixels itself and expects 0 to 255. Pixels scaled to
            0 to 1 beforehand are scaled twice and become almost black.
        stretched_by_imagenet: Keras adds a scaling without weights behind the input if, and only if,
            it loads ImageNet weights itself; whoever loads them must add it.
    """

    name: str
    module: str
    native_size: int
    min_size: int = 32
    imagenet: ImageNetWeights | None = None
    options: tuple[Option, ...] = ()
    builder: str = ""
    scales_inside: bool = False
    stretched_by_imagenet: bool = False

    def check_size(self, image_size: int) -> None:
        """Raise InputError if the network does not accept images of this width and height (pixels)."""
        if image_size < self.min_size:
            raise InputError(
                f"{self.name} needs images of at least {self.min_size} x {self.min_size} pixels, "
                f"not {image_size} x {image_size}",
                f"Set image_size to {self.min_size} or more; it was designed for {self.native_size}.",
            )

    def backbone_labels(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The labels under which weights of the backbone may be filed, the exact one first.

        Dropout has no weights, so it is no part of them; `MobileNet-alpha1.0` is also `MobileNet`.
        """
        shape = self._shape(options)
        given = {name: value for name, value in shape.items() if name in options}
        return tuple(dict.fromkeys((self.label(given), self._short_label(shape))))

    def imagenet_file(self, options: Mapping[str, Any], image_size: int) -> WeightsFile:
        """The file that Keras loads for ImageNet weights without the top.

        Args:
            options: Options of the network.
            image_size: Width and height of the images, pixels.

        Raises:
            InputError: Keras has no ImageNet weights of this network, or not with these options.
        """
        ways_out = 'Set weights = "random" or a file of your own, or mode = "scratch".'
        if self.imagenet is None:
            raise InputError(f"Keras has no ImageNet weights of {self.name}", ways_out)
        shape = self._shape(options)
        variant = self.imagenet.variants.get(tuple(shape.values()))
        if variant is None:
            offered = [
                self._short_label(dict(zip(shape, values, strict=True))) for values in self.imagenet.variants
            ]
            raise InputError(
                f"Keras has no ImageNet weights of {self.label(options)}, only of {', '.join(offered)}",
                ways_out,
            )
        size = image_size if image_size in self.imagenet.sizes else self.native_size
        name = self.imagenet.file.format(variant=variant, size=size)
        remote = (self.imagenet.remote or self.imagenet.file).format(variant=variant, size=size)
        return WeightsFile(name, self.imagenet.folder + remote)

    def _shape(self, options: Mapping[str, Any]) -> dict[str, bool | int | float]:
        """The value of every option that changes the backbone, given or default."""
        given = self.check_options(options)
        return {
            option.name: given.get(option.name, option.default)
            for option in self.options
            if option.in_backbone
        }

    def _short_label(self, shape: Mapping[str, Any]) -> str:
        """The label that names only what differs from the default."""
        defaults = {option.name: option.default for option in self.options}
        return self.label({name: value for name, value in shape.items() if value != defaults[name]})
