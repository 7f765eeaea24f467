"""What a verdict goes by."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Thresholds:
    """Sizes that count and errors that are allowed.

    Attributes:
        change: Smallest change of a time or of memory that counts, as a share.
        margin: Accuracies that differ by less are equivalent, as a share (0.02 is two points).
        loss_margin: Test losses that differ by less are equivalent, in nats: 0.05 is 5 % in the probability
            that images give to their true class, in the geometric mean.
        alpha: False alarms of a whole run, over all trials, figures and looks, for each of the two dimensions.
        effect: The change that repeats are planned to find.
        power: How often they find it.
        minimum_pairs: With fewer undisturbed pairs no change of time is claimed.
        look: How many times these growing data were judged, this time included (`alpha_at`).
        looks_planned: Whether there may be further looks; without, all of alpha is spent on this one.
    """

    change: float = 0.05
    margin: float = 0.02
    loss_margin: float = 0.05
    alpha: float = 0.05
    effect: float = 0.10
    power: float = 0.9
    minimum_pairs: int = 4
    look: int = 1
    looks_planned: bool = False

    @property
    def alpha_now(self) -> float:
        """What this look may spend."""
        from bench.compare.statistics.multiplicity import alpha_at

        return alpha_at(self.look, self.alpha) if self.looks_planned else self.alpha

    def plain(self) -> dict[str, float]:
        """As plain values, for the outputs."""
        return {**asdict(self), "alpha_now": self.alpha_now}
