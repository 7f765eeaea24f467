"""The metrics of a test split, as `wbc.evaluation.metrics.score` computes them."""

from msgspec import Struct


class Interval(Struct, frozen=True, gc=False):
    """A 95 % interval of a share, see `wbc.evaluation.intervals`."""

    low: float
    high: float
    method: str
    """`wilson`, `cluster-bootstrap` or `t`."""


class Intervals(Struct, frozen=True):
    """The intervals of one test split."""

    accuracy: Interval
    per_class_accuracy: dict[str, Interval | None]
    """None for a class without a test image."""


class Metrics(Struct, frozen=True, kw_only=True):
    """How well a trained model classifies the test split; shares lie between 0 and 1.

    A metric that is undefined is None, and `undefined` says why. Only the accuracy is always there: a trial
    may run an older revision of `wbc` that knows fewer metrics.
    """

    images: int
    sources: int | None = None
    """Patients, slides or photographs among the images."""
    accuracy: float
    balanced_accuracy: float | None = None
    binary_accuracy: float | None = None
    """Share of all (image, class) pairs on the right side of 1/2, where the protocol asks for it."""
    loss: float | None = None
    """Mean cross-entropy, in nats."""
    macro_precision: float | None = None
    macro_recall: float | None = None
    macro_f1: float | None = None
    macro_auc: float | None = None
    calibration_error: float | None = None
    per_class_accuracy: dict[str, float | None] = {}
    precision: dict[str, float | None] = {}
    f1: dict[str, float | None] = {}
    auc: dict[str, float | None] = {}
    support: dict[str, int] = {}
    """Test images of each class."""
    intervals: Intervals | None = None
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
    """Rows: true class; columns: predicted class; both in the order of `classes`."""
    classes: tuple[str, ...] = ()
    undefined: dict[str, str] = {}
    """Metric, or `metric of CLASS` -> why it is None."""
