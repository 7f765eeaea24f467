"""The classical methods that a suite may name, and their options. Loads no library."""

from collections.abc import Mapping
from dataclasses import dataclass

from wbc.errors import InputError
from wbc.options import Configurable, Option

SMALLEST_IMAGE = 32
"""Side in pixels below which a nucleus has no lobes and no texture any more."""


@dataclass(frozen=True, eq=False)
class Method(Configurable):
    """A classical method.

    Attributes:
        name: Its name in suites and tables.
        options: The options that a suite may set; their defaults are the project's own, see
            `wbc.classical.methods`.
    """

    name: str
    options: tuple[Option, ...]

    def check_size(self, image_size: int) -> None:
        """Raise InputError if features cannot be measured on images of this width and height (pixels)."""
        if image_size < SMALLEST_IMAGE:
            raise InputError(
                f"{self.name} needs images of at least {SMALLEST_IMAGE} x {SMALLEST_IMAGE} pixels, "
                f"not {image_size} x {image_size}",
                f"Set image_size to {SMALLEST_IMAGE} or more.",
            )


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("SVM", (Option("C", 10.0, minimum=1e-6), Option("kernel", "rbf", choices=("rbf", "linear")))),
        Method("RandomForest", (Option("trees", 300, minimum=1), Option("min_leaf", 1, minimum=1))),
        Method("DecisionTree", (Option("min_leaf", 5, minimum=1),)),
        Method("KNN", (Option("neighbors", 5, minimum=1),)),
        Method("MLP", (Option("hidden", 32, minimum=1), Option("l2", 1e-2, minimum=0.0))),
    )
}
"""Every method by its name."""
