"""The input of a heatmap method: the model, the images, the classes and the layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from callbacks.gradcam.layers import CamError, Layers


@dataclass(frozen=True)
class Question:
    """The input of a heatmap method, which shows why `net` assigns the classes `targets` to the images `xb`.

    Attributes:
        net: model in eval mode, without the wrappers of compilation and data parallelism.
        xb: images B×C×H×W.
        targets: class to explain for each image, B numbers; None for the predicted class.
        layer: layer or layers that the user named; None for the default.
    """

    net: nn.Module
    xb: Tensor
    targets: Tensor | Sequence[int] | None = None
    layer: Layers = None

    def logits(self, xb: Tensor) -> Tensor:
        """Return the logits B×n_classes of any images; autograd computes no gradients of the weights.

        Raises:
            CamError: the model does not return logits.
        """
        weights = {name: p.detach() for name, p in self.net.named_parameters()}
        logits = functional_call(self.net, weights, xb)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(xb):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise CamError(f"the model returns {shape}: heatmaps need logits B×n_classes, here with B = {len(xb)}")
        return logits

    def checked_targets(self) -> Tensor:
        """Return the class to explain of each image, as `classes` does, without logits.

        All images are passed through the model only if their predicted classes are explained, otherwise one image.
        """
        with torch.no_grad():
            logits = self.logits(self.xb if self.targets is None else self.xb[:1])
            return self.classes(logits.expand(len(self.xb), -1))

    def classes(self, logits: Tensor) -> Tensor:
        """Return the class to explain of each image, B whole numbers.

        Args:
            logits: logits of the images, B×n_classes.

        Raises:
            CamError: the targets are not one class of the model for each image.
        """
        if self.targets is None:
            return logits.argmax(1).as_subclass(Tensor)
        targets = torch.as_tensor(self.targets, device=logits.device).as_subclass(Tensor)
        n_classes = logits.shape[1]
        if targets.shape != (len(logits),):
            raise CamError(
                f"targets have shape {tuple(targets.shape)}: give one class for each of {len(logits)} images"
            )
        if targets.is_floating_point() or targets.dtype == torch.bool:
            raise CamError(f"targets are {targets.dtype}: give class numbers from 0 to {n_classes - 1}")
        bad = targets[(targets < 0) | (targets >= n_classes)]
        if len(bad):
            raise CamError(f"target {bad[0].item()}: choose classes from 0 to {n_classes - 1}")
        return targets.long()


def margin(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the margin of a class: its logit minus the logsumexp of the other logits, for each image.

    The margin is the log-odds of the class. Unlike the probability it does not saturate.

    Args:
        logits: B×n_classes.
        targets: classes, B.

    Returns:
        B numbers, as float32 or wider.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    own = wide.gather(1, targets[:, None])
    others = wide.scatter(1, targets[:, None], float("-inf")).logsumexp(1)
    return own[:, 0] - others
