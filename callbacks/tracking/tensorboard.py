"""The TensorBoard tracker; `tensorboard --logdir RUN` shows the run."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callbacks.tracking import Backend, register

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def start(folder: Path) -> "GeneralTracker":
    """Return a tracker that writes event files into `folder`."""
    from accelerate.tracking import TensorBoardTracker

    return TensorBoardTracker("", folder)


def picture(tracker: "GeneralTracker", name: str, pixels: np.ndarray) -> None:
    """Log an image, H×W×3 uint8, under `name`."""
    tracker.log_images({name: pixels[None]}, step=0, dataformats="NHWC")


register("tensorboard", Backend(("accelerate", "tensorboard"), start, picture))
