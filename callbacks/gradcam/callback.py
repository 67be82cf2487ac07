"""How the model's attention forms: heatmaps of the same validation images as training goes on."""

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

MAX_EPOCH_COLUMNS = 7  # columns of heatmaps in the figure at the most


@dataclass(frozen=True)
class Snapshot:
    """One image after one epoch: its picture H×W×C, the map H×W for its true class, and what the model said."""

    epoch: int
    image: np.ndarray
    cam: np.ndarray
    true: str
    predicted: str
    probability: float


class GradCAMCallback(Callback):
    """Every few epochs, maps of a fixed choice of validation images, each for its true class.

    The figure has a row for each image and a column for each epoch, on one scale of evidence. It is drawn anew each
    time, shown in a notebook, and written as `grad_cam.png`. An epoch that trains and validates is looked at; so
    predictions, validation on its own and fastai's search for a learning rate are left alone.

    Args:
        every: epochs between two looks; the last epoch is looked at in any case.
        count: images.
        seed: of their choice.
        layer, method: as of `grad_cam`.
        out: the directory for the picture; by default the run directory of a learner that has one, or else none.

    Raises:
        CamError: a layer or method that the model does not have, before the first step of a fit.
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
        """fastai also ends an "epoch" around every prediction; only training has this event."""
        self.begins = self.begins or self.epoch == 0
        if self.begins:  # a wrong layer shows before the first step
            for xb, yb, _ in chosen_batches(self.dls.valid, self._images()[:1]):
                grad_cam(self.model, xb, yb, self.layer, self.method)
        self.trained = True

    def before_batch(self) -> None:
        self.validated = not self.training

    def after_epoch(self) -> None:
        due = self.epoch + 1 == self.n_epoch or (self.epoch + 1) % self.every == 0
        if self.trained and self.validated and due:
            if self.begins:  # the looks of an earlier fit stay until there is one of this fit
                self.begins, self.snapshots, self.handle = False, [], None
            self.snapshots.append(self._look())
            self._show()
        self.trained = False

    def after_cancel_fit(self) -> None:
        self.trained = False

    def plot(self) -> Picture:
        """A row for each image, a column for each epoch; of many epochs, some at even distances."""
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

    def _look(self) -> list[Snapshot]:
        looks: list[Snapshot] = []
        for xb, yb, shown in chosen_batches(self.dls.valid, self._images()):
            cams = grad_cam(self.model, xb, yb, self.layer, self.method).cpu().numpy()
            with untouched(self.model, xb.device), torch.no_grad():
                best = self.model(xb).float().softmax(1).max(1)
            names = ([str(self.dls.vocab[i]) for i in classes] for classes in (yb.tolist(), best.indices.tolist()))
            told = zip(shown, cams, *names, best.values.tolist(), strict=True)
            looks.extend(Snapshot(self.epoch, *one) for one in told)
        return looks

    def _show(self) -> None:
        run = getattr(self.learn, "run_dir", None)  # of this project's learner
        out = self.out or (run.path if run and run.has_begun else None)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            with replacing(out / "grad_cam.png") as draft:
                self.plot().savefig(draft, dpi=100)
        if IN_NOTEBOOK:
            self._display()

    def _display(self) -> None:
        """In a notebook, one picture that is replaced as the run goes on."""
        from IPython.display import display

        if self.handle is None:
            self.handle = display(self.plot(), display_id=True)
        else:
            self.handle.update(self.plot())


def _panel(look: Snapshot) -> Panel:
    title = f"epoch {look.epoch}: predicted\n{short_name(look.predicted)}, {look.probability:.0%}"
    return Panel(look.image, title, look.cam, colour=RIGHT_COLOUR if look.predicted == look.true else WRONG_COLOUR)
