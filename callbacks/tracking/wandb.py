"""The Weights & Biases tracker, offline; `wandb sync` uploads the run later."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callbacks.tracking import Backend, register

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def start(folder: Path) -> "GeneralTracker":
    """Return an offline tracker that writes into `folder`, which wandb itself names `wandb`."""
    from accelerate.tracking import WandBTracker

    # wandb adds its own folder `wandb` to `dir`.
    return WandBTracker("image24", mode="offline", dir=str(folder.parent), name=folder.parent.name)


def picture(tracker: "GeneralTracker", name: str, pixels: np.ndarray) -> None:
    """Log an image, H×W×3 uint8, under `name`."""
    tracker.log_images({name: [pixels]})


register("wandb", Backend(("accelerate", "wandb"), start, picture))
