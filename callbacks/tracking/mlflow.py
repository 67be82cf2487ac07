"""MLflow, in a database of the run: `mlflow ui --backend-store-uri sqlite:///RUN/mlflow/mlflow.db` shows it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from callbacks.tracking import Backend, register

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def start(folder: Path) -> "GeneralTracker":
    import mlflow
    from accelerate.tracking import MLflowTracker

    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
    return MLflowTracker("image24", logging_dir=folder.resolve().as_uri(), run_name=folder.parent.name)


def picture(tracker: "GeneralTracker", name: str, pixels: np.ndarray) -> None:
    import mlflow

    mlflow.log_image(pixels, f"{name}.png")


register("mlflow", Backend(("accelerate", "mlflow"), start, picture))
