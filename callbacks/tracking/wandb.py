"""Weights & Biases, offline: `wandb sync` sends the run when its owner wants that."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callbacks.tracking import Backend, register

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def start(folder: Path) -> "GeneralTracker":
    from accelerate.tracking import WandBTracker

    return WandBTracker("image24", mode="offline", dir=str(folder.parent), name=folder.parent.name)  # its own `wandb`


def picture(tracker: "GeneralTracker", name: str, pixels: np.ndarray) -> None:
    tracker.log_images({name: [pixels]})


register("wandb", Backend(("accelerate", "wandb"), start, picture))
