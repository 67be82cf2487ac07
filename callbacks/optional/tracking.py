"""A callback that sends the metrics of a run to an experiment tracker during training."""

import numpy as np
from fastai.callback.core import Callback

from callbacks.curves import plot_curves
from callbacks.optional import turned_on_by
from callbacks.order import TRACKING
from callbacks.picture import Picture
from callbacks.tracking import TrackingError, installed


@turned_on_by("log")
class Tracking(Callback):
    """Sends the recipe at the start, the history row after each epoch, and the figure of the curves at the end.

    The tracker writes into a folder of the run directory that is named after it. A resumed run continues after its last
    epoch.

    Args:
        name: name of the tracker: tensorboard, wandb or mlflow.

    Raises:
        TrackingError: the tracker is not installed, or the learner has no run directory.
    """

    order, run_valid, shapes_step = TRACKING, False, False

    def __init__(self, name: str) -> None:
        self.tracker_name, self.backend = name, installed(name)

    def before_fit(self) -> None:
        from accelerate import PartialState

        run = getattr(self.learn, "run_dir", None)
        if run is None:
            raise TrackingError(f"`log` {self.tracker_name} writes into a run directory: pass `out` to create one")
        PartialState()  # accelerate's trackers need it to find the rank of the process
        self.tracker = self.backend.start(run.path / self.tracker_name)
        self.tracker.start()
        settings = self.learn.plan.to_dict()
        self.tracker.store_init_configuration({name: value for name, value in settings.items() if value is not None})

    def after_epoch(self) -> None:
        row = self.learn.history.rows[-1]
        figures = {name: value for name, value in row.csv_row().items() if name != "epoch" and value is not None}
        self.tracker.log(figures, step=row.epoch)

    def after_fit(self) -> None:
        curves = plot_curves(self.learn.history.rows, self.learn.schedule_record.rows)
        self.backend.picture(self.tracker, "curves", _pixels(curves))
        self.tracker.finish()

    def after_cancel_fit(self) -> None:
        self.tracker.finish()


def _pixels(figure: Picture) -> np.ndarray:
    """Return the figure as an image, H×W×3 uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
