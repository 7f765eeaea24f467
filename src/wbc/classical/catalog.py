"""The classical methods that a suite can name, and their options. Loads no library."""

from collections.abc import Mapping
from dataclasses import dataclass

from wbc.errors import InputError
from wbc.options import Configurable, Option

SMALLEST_IMAGE = 32
"""Side in pixels below which a nucleus shows neither lobes nor texture."""


@dataclass(frozen=True, eq=False)
class Method(Configurable):
    """A classical method."""

    name: str
    """Its name in suites and tables."""
    options: tuple[Option, ...]
    """The options that a suite can set; the defaults are those of this project."""

    def check_size(self, image_size: int) -> None:
        """Check that features can be measured on images of this size.

        Args:
            image_size: Height and width in pixels.

        Raises:
            InputError: They cannot.
        """
        if image_size < SMALLEST_IMAGE:
            raise InputError(
                f"{self.name} needs images of at least {SMALLEST_IMAGE} x {SMALLEST_IMAGE} pixels, "
                f"not {image_size} x {image_size}",
                f"Set image_size to {SMALLEST_IMAGE} or more.",
            )


FEATURES = Option("features", "cell", choices=("cell", "hog", "color", "pixels"))
"""`cell`: of the segmented leukocyte (`wbc.classical.features`). The others need no segmentation
(`wbc.classical.general`): gradients, colors, or the pixels of the image as a whole."""

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "SVM",
            (FEATURES, Option("C", 10.0, minimum=1e-6), Option("kernel", "rbf", choices=("rbf", "linear"))),
        ),
        Method("RandomForest", (FEATURES, Option("trees", 300, minimum=1), Option("min_leaf", 1, minimum=1))),
        Method(
            "DecisionTree",
            (
                FEATURES,
                Option("min_leaf", 5, minimum=1),
            ),
        ),
        Method(
            "KNN",
            (
                FEATURES,
                Option("neighbors", 5, minimum=1),
            ),
        ),
        Method("MLP", (FEATURES, Option("hidden", 32, minimum=1), Option("l2", 1e-2, minimum=0.0))),
    )
}
"""Name -> method."""
