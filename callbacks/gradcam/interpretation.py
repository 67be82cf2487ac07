"""fastai's interpretation of a classifier, with heatmaps and their p-values."""

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
    """Shows why a model is right or wrong: images by loss, by class and by confusion, with heatmaps.

    Example: `GradCAMInterpretation.from_learner(learn).plot_top_losses(9)`. Inference runs once; the pixels of a
    figure's images are read again. In a figure, the title of a heatmap ends with its p-value (see `Trust`).

    Attributes:
        preds, targs, decoded: probabilities (N×n_classes), true classes (N) and predicted classes (N).
        rows: indices in the loader of the N images that were classified. All other indices count within these N.
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
        return self.plot_panels(panels, GLANCE, "The largest losses; see plot_top_losses for the evidence")._repr_png_()

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
        """Classify the images of a loader; images of a training loader are not augmented.

        Args:
            learn: any fastai `Learner` on images with one label each.
            ds_idx: index of the learner's loader, used if `dl` is not given.
            dl: loader of the images.
            act: function from logits to probabilities; by default that of the loss function, or softmax.
            layer, method: as in `grad_cam`.
            images: largest number of images to classify. They are chosen at random, in every call the same.

        Raises:
            CamError: the model does not have the layer, the method is unknown, or the loader has no labels or images.
        """
        dl = learn.dls[ds_idx].new(shuffle=False, drop_last=False) if dl is None else dl
        if not len(dl.dataset):
            raise CamError("the loader has no images; pass one that has some as `dl`")
        if act is None and not hasattr(learn.loss_func, "activation"):
            act = _softmax
        xb, *_ = chosen_batches(dl, [0])[0]
        grad_cam(learn.model, xb, layer=layer, method=method)  # raises the error of a wrong name before the inference
        rows: Sequence[int] = range(len(dl.dataset))
        if images is not None and images < len(rows):
            rows = sorted(random.Random(0).sample(rows, images))
        some = dl.new(shuffle=False, drop_last=False, get_idxs=partial(list, rows))
        with without_augmentation(dl):
            preds, targs, losses = (t.as_subclass(Tensor) for t in learn.get_preds(dl=some, with_loss=True, act=act))
        if hasattr(dl, "items"):
            some.items = L(dl.items)[list(rows)]  # fastai's own methods look up the images here
        return cls(learn, some, losses, preds, targs, act, layer, method, rows)

    def explain(
        self, idxs: Sequence[int], targets: Sequence[int] | Tensor | None = None, trusted: bool = True
    ) -> Explained:
        """Return images with their heatmaps for `targets`, and if `trusted`, with the tests of `measure_trust`."""
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
        """Return images as the model takes them (k×C×H×W), and as pictures (k×H×W×C, from 0 to 1)."""
        batches = chosen_batches(self.dl, [self.rows[i] for i in idxs])
        return torch.cat([xb for xb, *_ in batches]), np.concatenate([shown for *_, shown in batches])

    def using(self, method: str, layer: str | None) -> Self:
        """Return a copy with the same inference and another heatmap method and layer."""
        other = copy.copy(self)
        other.method, other.layer = method, layer
        return other

    def wrong(self) -> list[int]:
        """Return the indices of the misclassified images, largest loss first."""
        order = self.losses.argsort(descending=True)
        return order[(self.decoded != self.targs)[order]].tolist()

    def correct(self, seed: int = 0) -> list[int]:
        """Return the indices of the correctly classified images, in a random order."""
        return [i for i in self.shuffled(seed) if self.decoded[i] == self.targs[i]]

    def shuffled(self, seed: int = 0) -> list[int]:
        """Return the indices of all images in a random order."""
        return torch.randperm(len(self.targs), generator=torch.Generator().manual_seed(seed)).tolist()

    def confused(self, pair: Sequence[str]) -> list[int]:
        """Return the indices of the images with this true and predicted class, largest loss first.

        Raises:
            CamError: a class is unknown.
        """
        names = list(map(str, self.vocab))
        for name in map(str, pair[:2]):
            if name not in names:
                raise CamError(f"class {name!r}: choose from {', '.join(names)}")
        true, predicted = (names.index(str(name)) for name in pair[:2])
        return [i for i in self.wrong() if self.targs[i] == true and self.decoded[i] == predicted]

    def plot_top_losses(self, k: int | Sequence[int], largest: bool = True) -> Picture:
        """Plot the images with the `k` largest or smallest losses, or those at the positions `k` of that order."""
        order = self.losses.argsort(descending=largest)
        idxs = order[:k] if isinstance(k, int) else order[list(k)]
        return self._pairs(idxs, f"The {'largest' if largest else 'smallest'} losses, and the evidence")

    def plot_wrong(self, k: int = 9) -> Picture:
        """Plot misclassified images with their heatmaps, largest loss first."""
        return self._pairs(self.wrong()[:k], "Misclassified, and the evidence for the predicted class")

    def plot_correct(self, k: int = 9, seed: int = 0) -> Picture:
        """Plot a random choice of correctly classified images with their heatmaps."""
        return self._pairs(self.correct(seed)[:k], "Classified correctly, and the evidence")

    def plot_confused(self, pair: Sequence[str], k: int = 9) -> Picture:
        """Plot images of one class that were classified as another, with their heatmaps; see `confused`."""
        return self._pairs(self.confused(pair)[:k], f"{pair[0]} taken for {pair[1]}, and the evidence for {pair[1]}")

    def plot_why_wrong(self, k: int = 8) -> Picture:
        """Plot misclassified images with the evidence for the predicted and for the true class, and the difference."""
        predicted = self.explain(self.wrong()[:k])
        true = self.explain(predicted.idxs, self.targs[predicted.idxs], trusted=False)
        return self.plot_panels(self.why_panels(predicted, true), 4, WHY_WRONG_HEADING)

    def confusion_matrix(self) -> np.ndarray:
        """Return the counts of images by true class (rows) and predicted class (columns), n_classes×n_classes."""
        return confusion_matrix(self.targs, self.decoded, labels=range(len(self.vocab)))

    def print_classification_report(self) -> None:
        """Print precision, recall and F1 of each class."""
        names = list(map(str, self.vocab))
        print(classification_report(self.targs, self.decoded, labels=range(len(names)), target_names=names))

    def image_panels(self, explained: Explained) -> list[Panel]:
        """Return one panel per image: the image with its true and predicted class."""
        return list(map(self._image_panel, explained.idxs, explained.images))

    def heat_panels(self, explained: Explained) -> list[Panel]:
        """Return one panel per image: the image with its heatmap."""
        return [self._heat_panel(explained, n) for n in range(len(explained.idxs))]

    def pair_panels(self, explained: Explained) -> list[Panel]:
        """Return two panels per image: the image, and the image with its heatmap."""
        both = zip(self.image_panels(explained), self.heat_panels(explained), strict=True)
        return [panel for pair in both for panel in pair]

    def why_panels(self, predicted: Explained, true: Explained) -> list[Panel]:
        """Return four panels per image: the image, its heatmaps for both classes, and their difference."""
        panels = []
        for n, image_panel in enumerate(self.image_panels(predicted)):
            names = (self._name(explained.targets[n]) for explained in (predicted, true))
            heat = predicted.cams[n] - true.cams[n]
            difference = Panel(predicted.images[n], " minus ".join(names), heat, signed=True)
            panels += [image_panel, self._heat_panel(predicted, n), self._heat_panel(true, n), difference]
        return panels

    def plot_panels(self, panels: list[Panel], columns: int, heading: str) -> Picture:
        """Plot panels with the colour scale of the interpretation's method; see `plots.plot_panels`."""
        method = METHODS[self.method]
        return plot_panels(panels, columns, heading, Scale(method.unit, method.weak))

    def _image_panel(self, i: int, image: np.ndarray) -> Panel:
        title = f"true {self._name(self.targs[i])}\npredicted {self._name(self.decoded[i])}"
        return Panel(image, title, colour=self._title_colour(i))

    def _heat_panel(self, explained: Explained, n: int) -> Panel:
        i, target, trust = explained.idxs[n], explained.targets[n], explained.trust[n]
        title = f"{self._name(target)} {self.preds[i, target]:.0%}" + (f" · p {trust.p:.2f}" if trust else "")
        return Panel(explained.images[n], title, explained.cams[n], colour=self._title_colour(i))

    def _pairs(self, idxs: Sequence[int], heading: str) -> Picture:
        return self.plot_panels(self.pair_panels(self.explain(idxs)), 6, heading)

    def _name(self, target: int | Tensor) -> str:
        return short_name(self.vocab[int(target)])

    def _title_colour(self, i: int) -> str:
        return RIGHT_COLOUR if self.decoded[i] == self.targs[i] else WRONG_COLOUR


WHY_WRONG_HEADING = "Why wrong: the evidence for the predicted class, for the true class, and the difference"


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)
