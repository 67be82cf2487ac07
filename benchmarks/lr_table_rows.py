"""The rows of the table of recommended learning rates: the trained models and the measurements of a row."""

from dataclasses import dataclass
from typing import Any

from learners.recipe import REFERENCE_BATCH, REFERENCE_LR

PEAKS = (0.03125, 0.0625, 0.125, 0.25, 0.5)  # the default of every row is one of them
FINDERS = ("this finder", "fastai lr_find, valley", "torch-lr-finder, steepest")


@dataclass(frozen=True)
class Row:
    """A row: fields of `Recipe`, the width of the model (64 is the published one), and the number of seeds."""

    settings: dict[str, Any]
    valid_images: int
    width: int = 8
    seeds: int = 2  # of this finder; each peer has one
    runs: int = 1  # seeds of each run of the grid

    @property
    def default(self) -> float:
        """The peak of the default recipe."""
        return REFERENCE_LR * self.settings["batch_size"] / REFERENCE_BATCH


def cifar(
    batch_size: int, size: int, limit: int, epochs: int, data: str = "cifar10", optimizer: str = "sgd", **more: int
) -> Row:
    settings = {"data": data, "size": size, "limit": limit, "batch_size": batch_size, "epochs": epochs}
    settings["optimizer"] = optimizer
    return Row(settings, valid_images=limit, **more)


ROWS = {
    "digits, batch 32": Row({"data": "digits", "batch_size": 32, "epochs": 8}, valid_images=359, runs=2),
    "CIFAR-10, 16 pixels, batch 64": cifar(64, size=16, limit=5000, epochs=8),
    "CIFAR-10, 16 pixels, batch 256": cifar(256, size=16, limit=5000, epochs=8, runs=2),
    "CIFAR-10, 16 pixels, batch 256, Muon": cifar(256, size=16, limit=5000, epochs=8, optimizer="muon", runs=2),
    "CIFAR-10, 32 pixels, batch 64": cifar(64, size=32, limit=2000, epochs=6),
    "CIFAR-10, 32 pixels, batch 256": cifar(256, size=32, limit=2560, epochs=8),
    "CIFAR-10, 8 pixels, batch 128, width 32": cifar(128, size=8, limit=2500, epochs=8, width=32),
    "CIFAR-10, 8 pixels, batch 128, 4 epochs": cifar(128, size=8, limit=10000, epochs=4),
    "CIFAR-10, 8 pixels, batch 128, 16 epochs": cifar(128, size=8, limit=10000, epochs=16),
    "pictures of 128 pixels, batch 32": Row(
        {"data": "pictures", "batch_size": 32, "epochs": 6, "optimizer": "sgd"}, valid_images=160, seeds=1
    ),
    "CIFAR-100, 16 pixels, batch 64": cifar(64, size=16, limit=5000, epochs=8, data="cifar100"),
}
ON_DEMAND = {  # rows that are measured only if --rows names them, and the reason
    "CIFAR-10, 32 pixels, batch 256": "it takes as long as three other rows",
    "CIFAR-10, 8 pixels, batch 128, width 32": "it takes as long as three other rows",
    "CIFAR-10, 8 pixels, batch 128, 16 epochs": "it takes as long as three other rows",
    "CIFAR-100, 16 pixels, batch 64": "its images must be fetched",
}


@dataclass(frozen=True)
class Job:
    """A measurement: a run with the peak `peak`, or the recommendation of `finder`."""

    row: str
    seed: int
    peak: float | None = None
    finder: str | None = None

    @property
    def key(self) -> str:
        return f"{self.row}; seed {self.seed}; {self.finder or f'peak {self.peak:.4g}'}"
