"""A test whether heatmaps depend on the learned weights: the cascading randomisation of Adebayo et al. 2018."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from callbacks.gradcam.layers import Layers, names_of, plain_model
from callbacks.gradcam.maps import grad_cam, untouched

COMPARISONS = 4  # number of comparisons between the first randomised part and the last
MAX_CORRELATION = 0.3  # correlation with the maps of a fully random model below which the test is passed


@dataclass(frozen=True)
class Randomisation:
    """The similarity of heatmaps before and after the weights of a model are replaced by random ones.

    The dictionary has up to four parts of the model, from the last to the first. Its values are the Spearman
    correlation (from -1 to 1) of the maps with those of the trained model when that part and all later parts are
    random, as a mean over the images. They should approach 0: otherwise the maps do not depend on the model.
    """

    alike: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether the maps of the fully random model differ enough from those of the trained model."""
        return abs(self.final) < MAX_CORRELATION

    @property
    def final(self) -> float:
        """The correlation once all weights are random."""
        return list(self.alike.values())[-1]

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "NOT passed"
        return (
            f"{verdict}: maps correlate {self.final:.2f} with those of the model with random weights "
            f"(below {MAX_CORRELATION} passes)"
        )


def randomisation_check(
    model: nn.Module,
    xb: Tensor,
    targets: Tensor | Sequence[int] | None = None,
    layer: Layers = None,
    method: str = "gradcam",
    seed: int = 0,
) -> Randomisation:
    """Compare the maps of a model with those of copies whose weights are randomised part by part, the last part first.

    Args:
        model, xb, layer, method: as in `grad_cam`.
        targets: class to explain for each image, B numbers; by default the class that the trained model predicts.
        seed: seed of the random weights.

    Source: Adebayo et al. 2018, https://arxiv.org/abs/1810.03292, section 3.1.
    """
    layer = None if layer is None else names_of(plain_model(model), layer)  # names are also valid for the copy
    net = copy.deepcopy(plain_model(model))
    if targets is None:
        with untouched(net, xb.device), torch.no_grad():
            targets = net(xb).argmax(1)
    intact = grad_cam(net, xb, targets, layer, method)
    alike = {}
    with torch.random.fork_rng(devices=[xb.device] if xb.device.type == "cuda" else []):
        torch.manual_seed(seed)
        parts = list(_parts(net))
        step = -(-len(parts) // COMPARISONS)
        for left, (name, part) in reversed(list(enumerate(parts))):
            for module in part.modules():
                reset = getattr(module, "reset_parameters", None)
                if reset is not None:
                    reset()
            if left % step == 0:
                alike[name] = _rank_correlation(intact, grad_cam(net, xb, targets, layer, method))
    return Randomisation(alike)


def _parts(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Return the direct children with weights and their names, in the order of definition."""
    return ((name, child) for name, child in net.named_children() if any(True for _ in child.parameters()))


def _rank_correlation(a: Tensor, b: Tensor) -> float:
    """Return the mean Spearman correlation of pairs of maps, both B×H×W; a constant map has correlation 0."""
    ranks = [rankdata(maps.flatten(1).cpu().numpy(), axis=1) for maps in (a, b)]
    x, y = (r - r.mean(1, keepdims=True) for r in ranks)
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return float(np.divide((x * y).sum(1), size, out=np.zeros_like(size), where=size > 0).mean())
