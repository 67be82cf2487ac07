"""Why a model is right or wrong: fastai's interpretation, with Grad-CAM and its faithfulness beside each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from fastai.interpret import ClassificationInterpretation
from matplotlib.figure import Figure
from sklearn.metrics import classification_report, confusion_matrix
from torch import Tensor

from callbacks.gradcam.faithfulness import Faithfulness, faithfulness
from callbacks.gradcam.images import chosen_batches
from callbacks.gradcam.layers import CamError
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.plots import RIGHT, WRONG, Panel, draw, short_name


@dataclass(frozen=True)
class Explained:
    """k images with a map each.

    Attributes:
        idxs: where the images stand in the loader.
        images: k×H×W×C, from 0 to 1.
        cams: k×H×W, evidence in logits.
        targets: the class that each map is for.
        faith: k figures of each kind.
    """

    idxs: list[int]
    images: np.ndarray
    cams: np.ndarray
    targets: list[int]
    faith: Faithfulness

    def first(self, k: int) -> "Explained":
        return Explained(self.idxs[:k], self.images[:k], self.cams[:k], self.targets[:k], self.faith.first(k))


class GradCAMInterpretation(ClassificationInterpretation):
    """`GradCAMInterpretation.from_learner(learn).plot_top_losses(9)`, and the other questions one asks of a model.

    Inference runs once; probabilities, labels and losses are kept, and pixels are read again for a figure's images.
    Each plot returns a matplotlib `Figure`; maps that do not beat a random and a centred one are titled uninformative.
    """

    def __init__(self, learn, dl, losses, preds: Tensor, targs: Tensor, act=None, layer=None, method="gradcam"):
        super().__init__(learn, dl, losses, act)
        self.preds, self.targs, self.layer, self.method = preds, targs, layer, method
        self.decoded = preds.argmax(1)

    @classmethod
    def from_learner(cls, learn, ds_idx: int = 1, dl=None, act=None, layer=None, method: str = "gradcam") -> Self:
        """Run inference once.

        Args:
            learn: any fastai `Learner` on images with one label each.
            ds_idx: which of the learner's loaders, where no `dl` is given.
            act: from logits to probabilities; by default the loss function's own, or else softmax.
            layer, method: as of `grad_cam`.

        Raises:
            CamError: a layer or method that the model does not have.
        """
        dl = dl or learn.dls[ds_idx].new(shuffle=False, drop_last=False)
        if act is None and not hasattr(learn.loss_func, "activation"):
            act = _softmax
        xb, *_ = chosen_batches(dl, [0])[0]
        grad_cam(learn.model, xb, layer=layer, method=method)  # a wrong name shows before the long part
        preds, targs, losses = (t.as_subclass(Tensor) for t in learn.get_preds(dl=dl, with_loss=True, act=act))
        return cls(learn, dl, losses, preds, targs, act, layer, method)

    def explain(self, idxs: Sequence[int], targets: Sequence[int] | None = None) -> Explained:
        """Images, maps and their faithfulness; by default for the predicted classes."""
        idxs = [int(i) for i in idxs]
        targets = [int(t) for t in (self.decoded[idxs] if targets is None else targets)]
        images, cams, faith, n = [], [], [], 0
        for xb, _, shown in chosen_batches(self.dl, idxs) if idxs else ():
            wanted = targets[n : n + len(xb)]
            maps = grad_cam(self.learn.model, xb, wanted, self.layer, self.method)
            faith.append(faithfulness(self.learn.model, xb, maps, wanted, seed=n))
            images.extend(shown)
            cams.extend(maps.cpu().numpy())
            n += len(xb)
        return Explained(idxs, np.array(images), np.array(cams), targets, Faithfulness.joined(faith))

    def wrong(self) -> list[int]:
        """The misclassified images, the largest loss first."""
        order = self.losses.argsort(descending=True)
        return order[(self.decoded != self.targs)[order]].tolist()

    def correct(self, seed: int = 0) -> list[int]:
        """The images that are classified correctly, in a random order."""
        order = torch.randperm(len(self.targs), generator=torch.Generator().manual_seed(seed))
        return order[(self.decoded == self.targs)[order]].tolist()

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

    def plot_top_losses(self, k: int | Sequence[int], largest: bool = True) -> Figure:
        """The k largest (or smallest) losses, or those at the places `k` of that order: image and heatmap."""
        order = self.losses.argsort(descending=largest)
        idxs = order[:k] if isinstance(k, int) else order[list(k)]
        return self._pairs(idxs, f"The {'largest' if largest else 'smallest'} losses, and the evidence")

    def plot_wrong(self, k: int = 9) -> Figure:
        """Misclassified images, the largest loss first."""
        return self._pairs(self.wrong()[:k], "Misclassified, and the evidence for the predicted class")

    def plot_correct(self, k: int = 9, seed: int = 0) -> Figure:
        """Images that are classified correctly, a random choice."""
        return self._pairs(self.correct(seed)[:k], "Classified correctly, and the evidence")

    def plot_confused(self, pair: Sequence[str], k: int = 9) -> Figure:
        """Images of one class that were taken for another; see `confused`."""
        return self._pairs(self.confused(pair)[:k], f"{pair[0]} taken for {pair[1]}, and the evidence for {pair[1]}")

    def plot_why_wrong(self, k: int = 8) -> Figure:
        """For misclassified images the evidence for the predicted class, for the true class, and the difference."""
        idxs = self.wrong()[:k]
        return draw(self.why_panels(self.explain(idxs), self.explain(idxs, self.targs[idxs])), 8, WHY)

    def confusion_matrix(self) -> np.ndarray:
        """Counts, n_classes×n_classes, of true classes in rows and predicted ones in columns."""
        return confusion_matrix(self.targs, self.decoded, labels=range(len(self.vocab)))

    def print_classification_report(self) -> None:
        names = list(map(str, self.vocab))
        print(classification_report(self.targs, self.decoded, labels=range(len(names)), target_names=names))

    def image_panels(self, explained: Explained) -> list[Panel]:
        return [
            Panel(
                image,
                f"true {self._name(self.targs[i])}\npredicted {self._name(self.decoded[i])}",
                colour=self._mark(i),
            )
            for i, image in zip(explained.idxs, explained.images, strict=True)
        ]

    def heat_panels(self, explained: Explained) -> list[Panel]:
        return [self._heat_panel(explained, n) for n in range(len(explained.idxs))]

    def why_panels(self, predicted: Explained, true: Explained) -> list[Panel]:
        """Four panels an image."""
        panels = []
        for n, image_panel in enumerate(self.image_panels(predicted)):
            difference = predicted.cams[n] - true.cams[n]
            pair = [self._heat_panel(predicted, n), self._heat_panel(true, n)]
            panels += [image_panel, *pair, Panel(predicted.images[n], "difference", difference, signed=True)]
        return panels

    def _heat_panel(self, explained: Explained, n: int) -> Panel:
        i, target = explained.idxs[n], explained.targets[n]
        title = f"for {self._name(target)}: {self.preds[i, target]:.0%}\nloss {self.losses[i]:.2f}"
        if not explained.faith.informative[n]:
            title += ", uninformative"
        return Panel(explained.images[n], title, explained.cams[n], colour=self._mark(i))

    def _pairs(self, idxs: Sequence[int], heading: str) -> Figure:
        explained = self.explain(idxs)
        both = zip(self.image_panels(explained), self.heat_panels(explained), strict=True)
        return draw([panel for pair in both for panel in pair], 6, heading)

    def _name(self, target: int) -> str:
        return short_name(self.vocab[int(target)])

    def _mark(self, i: int) -> str:
        return RIGHT if self.decoded[i] == self.targs[i] else WRONG


WHY = "Why wrong: the evidence for the predicted class, for the true class, and the first less the second"


def _softmax(logits: Tensor) -> Tensor:
    return logits.softmax(1)
