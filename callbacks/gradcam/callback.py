"""A callback that shows how heatmaps of the same validation images change during training."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from fastai.callback.core import Callback
from fastcore.imports import IN_NOTEBOOK

from callbacks.gradcam.layers import Layers
from callbacks.gradcam.loader_images import chosen_batches
from callbacks.gradcam.maps import grad_cam, untouched
from callbacks.gradcam.methods import METHODS
from callbacks.gradcam.plots import RIGHT_COLOUR, WRONG_COLOUR, Panel, Scale, plot_panels, short_name
from callbacks.picture import Picture
from data.common.files import replacing

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

MAX_EPOCH_COLUMNS = 7  # largest number of epochs in the figure


@dataclass(frozen=True)
class Snapshot:
    """The heatmap and the prediction of an image after an epoch.

    Attributes:
        epoch: number of the epoch.
        image: pixels from 0 to 1, H×W×C.
        cam: heatmap for the true class, H×W.
        true: name of the true class.
        predicted: name of the predicted class.
        probability: probability of the predicted class.
    """

    epoch: int
    image: np.ndarray
    cam: np.ndarray
    true: str
    predicted: str
    probability: float


class GradCAMCallback(Callback):
    """Computes heatmaps of a fixed choice of validation images every few epochs, each for its true class.

    The figure has a row per image and a column per epoch, with one scale of evidence. After each computation it is
    shown in a notebook and written as `grad_cam.png`. Heatmaps are computed only after epochs that train and validate,
    and thus not in predictions, in a validation alone, or in fastai's `lr_find`.

    Args:
        every: number of epochs from one computation to the next; the last epoch is always included.
        count: number of images.
        seed: seed of the choice of images.
        layer, method: as in `grad_cam`.
        out: directory for the figure; by default the learner's run directory. If there is none, no file is written.

    Raises:
        CamError: the model does not have the layer, or the method is unknown; raised before the first step of a fit.
    """

    order = 65  # after the recorder, before the progress report

    def __init__(
        self,
        every: int = 1,
        count: int = 8,
        seed: int = 0,
        layer: Layers = None,
        method: str = "gradcam",
        out: str | Path | None = None,
    ) -> None:
        self.every, self.count, self.seed = every, count, seed
        self.layer, self.method, self.out = layer, method, Path(out) if out else None
        self.snapshots: list[list[Snapshot]] = []
        self.handle: DisplayHandle | None = None
        self.begins, self.trained, self.validated = True, False, False

    def before_train(self) -> None:
        """Note that the epoch trains: fastai sends the epoch events also for predictions, but this event does not."""
        self.begins = self.begins or self.epoch == 0
        if self.begins:  # a wrong layer raises its error before the first step
            for xb, yb, _ in chosen_batches(self.dls.valid, self._images()[:1]):
                grad_cam(self.model, xb, yb, self.layer, self.method)
        self.trained = True

    def before_batch(self) -> None:
        self.validated = not self.training

    def after_epoch(self) -> None:
        due = self.epoch + 1 == self.n_epoch or (self.epoch + 1) % self.every == 0
        if self.trained and self.validated and due:
            if self.begins:  # the snapshots of an earlier fit are kept until this fit has one
                self.begins, self.snapshots, self.handle = False, [], None
            self.snapshots.append(self._take_snapshots())
            self._show()
        self.trained = False

    def after_cancel_fit(self) -> None:
        self.trained = False

    def plot(self) -> Picture:
        """Plot one row per image and one column per epoch; of more than seven epochs, seven evenly spaced ones."""
        if not self.snapshots:
            return plot_panels([], 1, "No epoch was trained with this callback")
        method = METHODS[self.method]
        at = np.unique(np.linspace(0, len(self.snapshots) - 1, MAX_EPOCH_COLUMNS).round().astype(int))
        panels = []
        for row in zip(*(self.snapshots[i] for i in at), strict=True):
            panels.append(Panel(row[0].image, f"true {short_name(row[0].true)}"))
            panels.extend(_panel(look) for look in row)
        heading = "How attention forms: the evidence for the true class, and the prediction"
        return plot_panels(panels, 1 + len(at), heading, Scale(method.unit, method.weak))

    def _repr_png_(self) -> bytes:
        return self.plot()._repr_png_()

    def _images(self) -> list[int]:
        images = range(len(self.dls.valid_ds))
        return random.Random(self.seed).sample(images, min(self.count, len(images)))

    def _take_snapshots(self) -> list[Snapshot]:
        snapshots: list[Snapshot] = []
        for xb, yb, shown in chosen_batches(self.dls.valid, self._images()):
            cams = grad_cam(self.model, xb, yb, self.layer, self.method).cpu().numpy()
            with untouched(self.model, xb.device), torch.no_grad():
                best = self.model(xb).float().softmax(1).max(1)
            names = ([str(self.dls.vocab[i]) for i in classes] for classes in (yb.tolist(), best.indices.tolist()))
            fields = zip(shown, cams, *names, best.values.tolist(), strict=True)
            snapshots.extend(Snapshot(self.epoch, *values) for values in fields)
        return snapshots

    def _show(self) -> None:
        run = getattr(self.learn, "run_dir", None)  # only this project's learner has it
        out = self.out or (run.path if run and run.has_begun else None)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            with replacing(out / "grad_cam.png") as draft:
                self.plot().savefig(draft, dpi=100)
        if IN_NOTEBOOK:
            self._display()

    def _display(self) -> None:
        """Show the figure in a notebook, replacing the one shown before."""
        from IPython.display import display

        if self.handle is None:
            self.handle = display(self.plot(), display_id=True)
        else:
            self.handle.update(self.plot())


def _panel(look: Snapshot) -> Panel:
    title = f"epoch {look.epoch}: predicted\n{short_name(look.predicted)}, {look.probability:.0%}"
    return Panel(look.image, title, look.cam, colour=RIGHT_COLOUR if look.predicted == look.true else WRONG_COLOUR)
