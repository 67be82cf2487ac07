"""The MLflow tracker, with a database in the run directory.

`mlflow ui --backend-store-uri sqlite:///RUN/mlflow/mlflow.db` shows the run.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callbacks.tracking import Backend, register

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def start(folder: Path) -> "GeneralTracker":
    """Return a tracker that writes into the database `mlflow.db` in `folder`."""
    import mlflow
    from accelerate.tracking import MLflowTracker

    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
    return MLflowTracker("image24", logging_dir=folder.resolve().as_uri(), run_name=folder.parent.name)


def picture(tracker: "GeneralTracker", name: str, pixels: np.ndarray) -> None:
    """Log an image, H×W×3 uint8, as the file `name`.png."""
    import mlflow

    mlflow.log_image(pixels, f"{name}.png")


register("mlflow", Backend(("accelerate", "mlflow"), start, picture))
