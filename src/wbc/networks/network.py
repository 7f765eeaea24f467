"""What is known about a network without building it: sizes, options, ImageNet weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wbc.errors import InputError
from wbc.options import Configurable, Option, OptionValue


@dataclass(frozen=True)
class WeightsFile:
    """A file of ImageNet weights: its name in Keras' cache, and the address that Keras downloads it from."""

    name: str
    url: str


@dataclass(frozen=True)
class ImageNetWeights:
    """The files of ImageNet weights that Keras offers for a network without its top."""

    folder: str
    """Address of the folder with the files, ending in a slash."""
    file: str
    """Name in Keras' cache, with placeholders `{variant}` and `{size}`."""
    variants: Mapping[tuple[OptionValue, ...], str] = field(default_factory=lambda: {(): ""})
    """Values of the options that change the backbone, in order -> text of the variant. Other values have no
    weights."""
    sizes: tuple[int, ...] = ()
    """Input sizes with weights of their own. All other sizes use the weights of the native one."""
    remote: str = ""
    """Name at the address, if it differs from the name in the cache."""


@dataclass(frozen=True, eq=False)
class Network(Configurable):
    """A network that a suite may name."""

    name: str
    """Its name; the one in `keras.applications`, if it is there."""
    module: str
    """The module of `keras.applications` or `wbc.networks.papers` with its `preprocess_input`."""
    native_size: int
    """Width and height in pixels of the images that it was designed for."""
    min_size: int = 32
    """Smallest width and height in pixels that it accepts, with and without its top."""
    imagenet: ImageNetWeights | None = None
    """The ImageNet weights that Keras offers, or None."""
    options: tuple[Option, ...] = ()
    """The options that a suite may set, in the order of labels."""
    builder: str = ""
    """The function in a module of `wbc.networks.papers` that builds it; empty for `keras.applications`."""
    scales_inside: bool = False
    """The network scales its pixels itself and expects 0 to 255. Pixels that were scaled to 0 to 1 before
    would be scaled twice and become almost black."""
    stretched_by_imagenet: bool = False
    """Keras adds a scaling layer behind the input, but only when Keras itself loads the ImageNet weights.
    Code that loads the weights from a file must add the scaling."""

    def check_size(self, image_size: int) -> None:
        """Raise InputError if the network does not accept images of this width and height (pixels)."""
        if image_size < self.min_size:
            raise InputError(
                f"{self.name} needs images of at least {self.min_size} x {self.min_size} pixels, "
                f"not {image_size} x {image_size}",
                f"Set image_size to {self.min_size} or more; it was designed for {self.native_size}.",
            )

    def backbone_labels(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The labels under which a weights folder may have weights of the backbone, the exact one first.

        Dropout has no weights, so it is not part of them. `MobileNet-alpha1.0` is also `MobileNet`.
        """
        shape = self._shape(options)
        given = {name: value for name, value in shape.items() if name in options}
        return tuple(dict.fromkeys((self.label(given), self._short_label(shape))))

    def imagenet_file(self, options: Mapping[str, Any], image_size: int) -> WeightsFile:
        """The file that Keras downloads for ImageNet weights without the top.

        Args:
            options: Options of the network.
            image_size: Width and height of the images, pixels.

        Raises:
            InputError: Keras has no ImageNet weights of this network, or not for these options.
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

    def _shape(self, options: Mapping[str, Any]) -> dict[str, OptionValue]:
        """The value of every option that changes the backbone, given or default."""
        given = self.check_options(options)
        return {
            option.name: given.get(option.name, option.default)
            for option in self.options
            if option.in_backbone
        }

    def _short_label(self, shape: Mapping[str, Any]) -> str:
        """The label with only those options that differ from the default."""
        defaults = {option.name: option.default for option in self.options}
        return self.label({name: value for name, value in shape.items() if value != defaults[name]})
