"""What a heatmap method is asked: which model, which images, which classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from callbacks.gradcam.layers import CamError, Layers


@dataclass(frozen=True)
class Question:
    """Why does `net` give the images `xb` the classes `targets`?

    Attributes:
        net: in eval mode, without the wrappers of compilation and data parallelism.
        xb: images B×C×H×W.
        targets: the class of each image, B numbers; None for the predicted one.
        layer: the layer that the user named, or several, or None for the default.
    """

    net: nn.Module
    xb: Tensor
    targets: Tensor | Sequence[int] | None = None
    layer: Layers = None

    def logits(self, xb: Tensor) -> Tensor:
        """Logits B×n_classes of any images. Autograd records nothing for the sake of the weights.

        Raises:
            CamError: the model gives something else than logits.
        """
        weights = {name: p.detach() for name, p in self.net.named_parameters()}
        logits = functional_call(self.net, weights, xb)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(xb):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise CamError(f"the model gives {shape}: heatmaps need logits B×n_classes, here with B = {len(xb)}")
        return logits

    def checked_targets(self) -> Tensor:
        """See `classes`; a forward pass of the images only where their predicted classes are asked for."""
        with torch.no_grad():
            logits = self.logits(self.xb if self.targets is None else self.xb[:1])
            return self.classes(logits.expand(len(self.xb), -1))

    def classes(self, logits: Tensor) -> Tensor:
        """The class to explain of each image, B whole numbers, checked against the logits of `xb`.

        Raises:
            CamError: targets that are not one class of the model for each image.
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
    """By how much the class of each image is ahead: its logit less the logsumexp of the others, B numbers.

    This is the log of the odds of the class. Unlike the probability it does not saturate. It is computed as float32 or
    wider.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    own = wide.gather(1, targets[:, None])
    others = wide.scatter(1, targets[:, None], float("-inf")).logsumexp(1)
    return own[:, 0] - others
