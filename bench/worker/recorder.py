"""Writes what an experiment reports into the journal of its attempt."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.worker.artifacts import keep_model
from bench.worker.environment import peak_of_process, resident_memory
from bench.worker.jsonl import EventWriter
from bench.worker.turns import TurnTaker

if TYPE_CHECKING:
    from wbc.evaluation.predictions import Predictions, ShuffledComparison
    from wbc.observer import Block, Trained


AFTERWARDS = ("latency", "explain", "save", "export", "profile")
"""Phases whose memory is not that of training and evaluation: the peak is read before the first of them."""


class Recorder:
    """A `wbc.observer.Observer` that appends to the journal of an attempt.

    Args:
        events: The journal.
        folder: Of the attempt.
        turns: Where another worker runs in turn with this one.
    """

    def __init__(self, events: EventWriter, folder: Path, turns: TurnTaker | None = None) -> None:
        self.events, self.folder, self._turns = events, folder, turns
        self._phase = ""
        self._trained: Trained | None = None
        self._peak: int | None = None

    def phase_started(self, phase: str) -> None:
        """See `wbc.observer.Observer`."""
        if phase in AFTERWARDS and self._peak is None:
            self._peak = peak_of_process()
        if phase != "train":  # which begins within an epoch, after its first step
            self.pause()
        self._phase = phase
        self.events.write("phase_started", phase=phase)

    def phase_ended(self, phase: str, **figures: Any) -> None:
        """See `wbc.observer.Observer`."""
        self.events.write("phase_ended", phase=phase, figures=figures)

    def epoch_ended(self, epoch: int, metrics: dict[str, float], validation_s: float, **pace: float) -> None:
        """See `wbc.observer.Observer`."""
        self.events.write(
            "epoch",
            epoch=epoch,
            metrics=metrics,
            validation_s=validation_s,
            resident=resident_memory(),
            **pace,
        )

    def blocks_timed(self, stage: int, blocks: "Sequence[Block]") -> None:
        """See `wbc.observer.Observer`."""
        self.events.write("blocks", stage=stage, blocks=[block.to_json() for block in blocks])

    def resumed(self, epoch: int, tag: str) -> None:
        """See `wbc.observer.Observer`."""
        self.events.write("resumed", epoch=epoch, tag=tag)

    def checkpointed(self, epoch: int, seconds: float, cpu_s: float) -> None:
        """See `wbc.observer.Observer`."""
        self.events.write("checkpointed", epoch=epoch, seconds=seconds, cpu_s=cpu_s)

    def pause(self) -> float:
        """See `wbc.observer.Observer`."""
        return self._turns.pass_on(self._phase) if self._turns else 0.0

    def heartbeat(self, done: int, total: int) -> None:
        """See `wbc.observer.Observer`."""
        self.events.write("heartbeat", done=done, total=total, resident=resident_memory())

    def predicted(self, predictions: "Predictions") -> None:
        """Keep the predictions as `predictions.csv`."""
        predictions.write_csv(self.folder / "predictions.csv")

    def shuffled(self, comparison: "ShuffledComparison") -> None:
        """Keep which prediction was compared with which file as `shuffled.csv`."""
        comparison.write_csv(self.folder / "shuffled.csv")

    def trained(self, trained: "Trained", about: Mapping[str, Any]) -> None:
        """Keep the model. If it cannot be written the trial does not fail, because its result is there."""
        try:
            self.events.write("model_saved", **keep_model(trained, about, self.folder))
        except Exception as error:
            self.events.write("model_not_saved", reason=f"{type(error).__name__}: {error}"[:1000])

    def evaluated(self, metrics: Mapping[str, Any], evaluations: Mapping[str, Mapping[str, Any]]) -> None:
        """See `wbc.observer.Observer`."""
        self.events.write("evaluated", metrics=metrics, evaluations=evaluations)

    def externally_evaluated(self, predictions: "Predictions", metrics: Mapping[str, Any]) -> None:
        """Keep the predictions as `external.csv`, and the metrics."""
        predictions.write_csv(self.folder / "external.csv")
        self.events.write("externally_evaluated", metrics=metrics)

    def finished(self, trained: "Trained") -> None:
        """Keep it for `describe_memory`, after everything that is timed."""
        self._trained = trained

    def describe_memory(self) -> None:
        """Write down how much memory training took, or why that is unknown."""
        if self._trained is None:
            return
        process_peak = self._peak or peak_of_process()  # first, because the analysis itself takes memory
        try:
            memory = self._trained.memory()
        except Exception as error:  # must not spoil the result
            memory = {"unavailable": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        self.events.write("memory", **memory, process_peak=process_peak)
