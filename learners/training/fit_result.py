"""The result of a fit: one row per epoch, one row per step, and the metrics of the run."""

from dataclasses import dataclass, field
from typing import Any

from callbacks.training.history import EpochRow
from callbacks.training.schedule import StepRow
from data import Source
from learners.recipe import Plan


@dataclass(frozen=True)
class FitResult:
    """The result of a fit of a whole recipe.

    Attributes:
        epochs: one row per epoch.
        steps: one row per step.
        precision: precision of the training steps' forward pass; None if a resumed run had no step left.
        loader_wait_seconds: seconds that training waited for batches.
        warmup_seconds: seconds of compilation and kernel selection before the first step.
        final: `valid_loss` and metrics of the final model, if they are not those of the last epoch.
    """

    epochs: list[EpochRow]
    steps: list[StepRow] = field(repr=False)
    precision: str | None
    loader_wait_seconds: float
    warmup_seconds: float
    final: dict[str, float] = field(default_factory=dict)

    def metrics(self, plan: Plan, source: Source, device: str, parameters: int) -> dict[str, Any]:
        """Return the content of `metrics.json`; it holds the final model's metrics without test-time augmentation.

        Args:
            plan: the settings of the run.
            source: the images.
            device: the name of the device.
            parameters: number of parameters of the model.
        """
        last = self.epochs[-1]
        trained = sum(row.train_seconds for row in self.epochs)
        return {
            **last.metrics,
            "valid_loss": last.valid_loss,
            **self.final,
            "epochs": len(self.epochs),
            "steps": len(self.steps),
            "peak_epoch": plan.peak_epoch,
            "parameters": parameters,
            "train_images": len(source.train),
            "valid_images": len(source.valid),
            "images_per_second": sum(row.images for row in self.epochs) / trained,
            "seconds": sum(row.seconds for row in self.epochs),
            "seed": plan.seed,
            "data": plan.data,
            "device": device,
            "loader_wait_seconds": self.loader_wait_seconds,
            "warmup_seconds": self.warmup_seconds,
        }
