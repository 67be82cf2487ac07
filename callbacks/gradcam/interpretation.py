"""Why a model is right or wrong: fastai's interpretation, with heatmaps and how far to trust them."""

import copy
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import numpy as np
import torch
from fastai.data.load import DataLoader
from fastai.interpret import ClassificationInterpretation
from fastai.learner import Learner
from fastcore.foundation import L
from sklearn.metrics import classification_report, confusion_matrix
from torch import Tensor

from callbacks.gradcam.cells import batch_size_for
from callbacks.gradcam.explained import Explained
from callbacks.gradcam.layers import CamError, Layers, names_of, plain_model
from callbacks.gradcam.loader_images import chosen_batches, without_augmentation
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import DEFAULT_METHOD, METHODS
from callbacks.gradcam.plots import RIGHT_COLOUR, WRONG_COLOUR, Panel, Scale, plot_panels, short_name
from callbacks.gradcam.trust import measure_trust
from callbacks.picture import Picture

GLANCE = 6  # images in the picture by which a notebook shows an interpretation


class GradCAMInterpretation(ClassificationInterpretation):
    """`GradCAMInterpretation.from_learner(learn).plot_top_losses(9)`, and the other questions one asks of a model.

    Inference runs once; probabilities, labels and losses are kept, and pixels are read again for a figure's images.
    Each plot returns a matplotlib figure; the title of a map ends with its p-value (see `Trust`).

    Attributes:
        rows: where in the loader the images stand that were looked at; all other numbers count within these.
    """

    def __init__(
        self,
        learn: Learner,
        dl: DataLoader,
        losses: Tensor,
        preds: Tensor,
        targs: Tensor,
        act: Callable[[Tensor], Tensor] | None = None,
        layer: Layers = None,
        method: str = DEFAULT_METHOD,
        rows: Sequence[int] | None = None,
    ) -> None:
        super().__init__(learn, dl, losses, act)
        self.preds, self.targs, self.method = preds, targs, method
        self.layer = layer if layer is None or isinstance(layer, str) else names_of(plain_model(learn.model), layer)
        self.rows = list(range(len(targs))) if rows is None else list(rows)
        self.decoded = preds.argmax(1)

    def __repr__(self) -> str:
        where = f" at {self.layer}" if self.layer else ""
        images = f"{len(self.targs):,} images, {len(self.wrong()):,} of them misclassified"
        return f"{type(self).__name__}({images}; heatmaps by {self.method}{where})"

    def _repr_png_(self) -> bytes:
        """The images with the largest losses, without their heatmaps, which take seconds."""
        idxs = self.losses.argsort(descending=True)[:GLANCE].tolist()
        panels = list(map(self._image_panel, idxs, self.batch(idxs)[1]))
        return self.draw(panels, GLANCE, "The largest losses; plot_top_losses shows the evidence too")._repr_png_()

    @classmethod
    def from_learner(
        cls,
        learn: Learner,
        ds_idx: int = 1,
        dl: DataLoader | None = None,
        act: Callable[[Tensor], Tensor] | None = None,
        layer: Layers = None,
        method: str = DEFAULT_METHOD,
        images: int | None = None,
    ) -> Self:
        """Run inference once, on the images as they are: those of a training loader are not augmented.

        Args:
            learn: any fastai `Learner` on images with one label each.
            ds_idx: which of the learner's loaders, where no `dl` is given.
            act: from logits to probabilities; by default the loss function's own, or else softmax.
            layer, method: as of `grad_cam`.
            images: look at so many images at the most, a random choice that is the same each time.

        Raises:
            CamError: a layer or method that the model does not have, or a loader without labels or images.
        """
        dl = learn.dls[ds_idx].new(shuffle=False, drop_last=False) if dl is None else dl
        if not len(dl.dataset):
            raise CamError("the loader gives no images")
        if act is None and not hasattr(learn.loss_func, "activation"):
            act = _softmax
        xb, *_ = chosen_batches(dl, [0])[0]
        grad_cam(learn.model, xb, layer=layer, method=method)  # a wrong name shows before the long part
        rows: Sequence[int] = range(len(dl.dataset))
        if images is not None and images < len(rows):
            rows = sorted(random.Random(0).sample(rows, images))
        some = dl.new(shuffle=False, drop_last=False, get_idxs=partial(list, rows))
        with without_augmentation(dl):
            preds, targs, losses = (t.as_subclass(Tensor) for t in learn.get_preds(dl=some, with_loss=True, act=act))
        if hasattr(dl, "items"):
            some.items = L(dl.items)[list(rows)]  # where fastai looks up what its own methods show
        return cls(learn, some, losses, preds, targs, act, layer, method, rows)

    def explain(
        self, idxs: Sequence[int], targets: Sequence[int] | Tensor | None = None, trusted: bool = True
    ) -> Explained:
        """Images, maps and, where `trusted`, how far to trust them; by default for the predicted classes."""
        idxs = [int(i) for i in idxs]
        targets = [int(t) for t in (self.decoded[idxs] if targets is None else targets)]
        if not idxs:
            return Explained([], np.zeros((0, 1, 1, 1)), np.zeros((0, 1, 1)), [], [])
        xb, images = self.batch(idxs)
        bs = batch_size_for(xb)
        parts = zip(xb.split(bs), torch.tensor(targets).split(bs), strict=True)
        maps = torch.cat([grad_cam(self.learn.model, some, t, self.layer, self.method) for some, t in parts])
        trust = measure_trust(self.learn.model, xb, maps, targets) if trusted else [None] * len(idxs)
        return Explained(idxs, images, maps.cpu().numpy(), targets, trust)

    def batch(self, idxs: Sequence[int]) -> tuple[Tensor, np.ndarray]:
        """Images as the model takes them, k×C×H×W, and as a person sees them, k×H×W×C from 0 to 1."""
        batches = chosen_batches(self.dl, [self.rows[i] for i in idxs])
        return torch.cat([xb for xb, *_ in batches]), np.concatenate([shown for *_, shown in batches])

    def using(self, method: str, layer: str | None) -> Self:
        """The same inference with other heatmaps."""
        other = copy.copy(self)
        other.method, other.layer = method, layer
        return other

    def wrong(self) -> list[int]:
        """The misclassified images, the largest loss first."""
        order = self.losses.argsort(descending=True)
        return order[(self.decoded != self.targs)[order]].tolist()

    def correct(self, seed: int = 0) -> list[int]:
        """The images that are classified correctly, in a random order."""
        return [i for i in self.shuffled(seed) if self.decoded[i] == self.targs[i]]

    def shuffled(self, seed: int = 0) -> list[int]:
        """All images in a random order."""
        return torch.randperm(len(self.targs), generator=torch.Generator().manual_seed(seed)).tolist()

    def confused(self, pair: Sequence[str]) -> list[int]:
        """The images of one class that were taken for another, the largest loss first.

        Args:
            pair: the true and the predicted class, as in a row of `most_confused`.

        Raises:
            CamError: a class that there is not.
        """
        names = list(map(str, self.vocab))
        for name in map(str, pair[:2]):
            if name not in names:
                raise CamError(f"class {name!r}: choose from {', '.join(names)}")
        true, predicted = (names.index(str(name)) for name in pair[:2])
        return [i for i in self.wrong() if self.targs[i] == true and self.decoded[i] == predicted]

    def plot_top_losses(self, k: int | Sequence[int], largest: bool = True) -> Picture:
        """The k largest (or smallest) losses, or those at the places `k` of that order: image and heatmap."""
        order = self.losses.argsort(descending=largest)
        idxs = order[:k] if isinstance(k, int) else order[list(k)]
        return self._pairs(idxs, f"The {'largest' if largest else 'smallest'} losses, and the evidence")

    def plot_wrong(self, k: int = 9) -> Picture:
        """Misclassified images, the largest loss first."""
        return self._pairs(self.wrong()[:k], "Misclassified, and the evidence for the predicted class")

    def plot_correct(self, k: int = 9, seed: int = 0) -> Picture:
        """Images that are classified correctly, a random choice."""
        return self._pairs(self.correct(seed)[:k], "Classified correctly, and the evidence")

    def plot_confused(self, pair: Sequence[str], k: int = 9) -> Picture:
        """Images of one class that were taken for another; see `confused`."""
        return self._pairs(self.confused(pair)[:k], f"{pair[0]} taken for {pair[1]}, and the evidence for {pair[1]}")

    def plot_why_wrong(self, k: int = 8) -> Picture:
        """A row for each misclassified image: the evidence for the predicted class, the true class, the difference."""
        predicted = self.explain(self.wrong()[:k])
        true = self.explain(predicted.idxs, self.targs[predicted.idxs], trusted=False)
        return self.plot_panels(self.why_panels(predicted, true), 4, WHY_WRONG_HEADING)

    def confusion_matrix(self) -> np.ndarray:
        """Counts, n_classes×n_classes, of true classes in rows and predicted ones in columns."""
        return confusion_matrix(self.targs, self.decoded, labels=range(len(self.vocab)))

    def print_classification_report(self) -> None:
        names = list(map(str, self.vocab))
        print(classification_report(self.targs, self.decoded, labels=range(len(names)), target_names=names))

    def image_panels(self, explained: Explained) -> list[Panel]:
        return list(map(self._image_panel, explained.idxs, explained.images))

    def heat_panels(self, explained: Explained) -> list[Panel]:
        return [self._heat_panel(explained, n) for n in range(len(explained.idxs))]

    def pair_panels(self, explained: Explained) -> list[Panel]:
        """Two panels an image: as it is, and with its map."""
        both = zip(self.image_panels(explained), self.heat_panels(explained), strict=True)
        return [panel for pair in both for panel in pair]

    def why_panels(self, predicted: Explained, true: Explained) -> list[Panel]:
        """Four panels an image."""
        panels = []
        for n, image_panel in enumerate(self.image_panels(predicted)):
            names = (self._name(explained.targets[n]) for explained in (predicted, true))
            difference = Panel(predicted.images[n], " less ".join(names), predicted.cams[n] - true.cams[n], signed=True)
            panels += [image_panel, self._heat_panel(predicted, n), self._heat_panel(true, n), difference]
        return panels

    def plot_panels(self, panels: list[Panel], columns: int, heading: str) -> Picture:
        """A figure on the scale of the interpretation's method."""
        method = METHODS[self.method]
        return plot_panels(panels, columns, heading, Scale(method.unit, method.weak))

    def _image_panel(self, i: int, image: np.ndarray) -> Panel:
        title = f"true {self._name(self.targs[i])}\npredicted {self._name(self.decoded[i])}"
        return Panel(image, title, colour=self._mark(i))

    def _heat_panel(self, explained: Explained, n: int) -> Panel:
        i, target, trust = explained.idxs[n], explained.targets[n], explained.trust[n]
        title = f"{self._name(target)} {self.preds[i, target]:.0%}" + (f" · p {trust.p:.2f}" if trust else "")
        return Panel(explained.images[n], title, explained.cams[n], colour=self._mark(i))

    def _pairs(self, idxs: Sequence[int], heading: str) -> Picture:
        return self.plot_panels(self.pair_panels(self.explain(idxs)), 6, heading)

    def _name(self, target: int | Tensor) -> str:
        return short_name(self.vocab[int(target)])

    def _mark(self, i: int) -> str:
        return RIGHT_COLOUR if self.decoded[i] == self.targs[i] else WRONG_COLOUR


WHY_WRONG_HEADING = "Why wrong: the evidence for the predicted class, for the true class, and the first less the second"


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)
