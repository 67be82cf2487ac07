"""Initial weights other than PyTorch's defaults. Each function changes the model in place."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.block import ImageLoaders
from data.loading.floats import normalised
from learners.models.resnet18 import BasicBlock
from learners.recipe import Plan, RecipeError

VARIANCE_EPSILON = 5e-4  # value that is added to each variance; their mean is about 1
MIN_VARIANCE = 1e-6  # smallest variance of image patches that is more than rounding error
WHITENING_IMAGES = 2000  # images whose patches (1.8 million at 32 pixels) the 27×27 covariance is computed from


def initialise(model: nn.Module, plan: Plan, dls: ImageLoaders) -> None:
    """Set the initial weights of a new model as the plan says.

    Raises:
        RecipeError: the model has no layer of the kind that a setting needs.
    """
    if plan.init == "kaiming":
        kaiming_filters(model)
    if plan.zero_init_residual:
        zero_residual_branches(model)
    if plan.whiten:
        whiten_stem(first_convolution(model), sample_images(dls))


def first_convolution(model: nn.Module) -> nn.Conv2d:
    """Return the first convolution of a model, which is its stem.

    Raises:
        RecipeError: the model has no convolution.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module
    raise RecipeError(f"`whiten`: {type(model).__name__} has no convolution; turn it off")


def sample_images(dls: ImageLoaders) -> Tensor:
    """Return about 2,000 training images, or all of fewer, normalised but not augmented: N×3×H×W, on the CPU."""
    files, store = dls.source.train, dls.train.store
    some = slice(None, None, max(1, len(files) // WHITENING_IMAGES))
    if store is None:
        return torch.cat([x.cpu() for (x,) in dls.test_dl(list(files[some]))])
    mean, std = (torch.tensor(values) for values in dls.stats)
    return normalised(torch.from_numpy(np.array(store.pixels[some])), mean, std)


def zero_residual_branches(model: nn.Module) -> None:
    """Zero the scale of the last norm layer of each residual block, so that every block starts as its shortcut.

    Raises:
        RecipeError: the model has no residual blocks.

    Source: Goyal et al. 2017, https://arxiv.org/abs/1706.02677, 5.1.
    """
    blocks = [block for block in model.modules() if isinstance(block, BasicBlock)]
    if not blocks:
        raise RecipeError(f"`zero_init_residual`: {type(model).__name__} has no blocks with a shortcut; turn it off")
    for block in blocks:
        nn.init.zeros_(block.bn2.weight)


def kaiming_filters(model: nn.Module) -> None:
    """Set the filters of every convolution to random numbers of variance 2 / fan-out.

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852; by fan-out as in torchvision's ResNets.
    """
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")


@torch.no_grad()
def whiten_stem(conv: nn.Conv2d, images: Tensor) -> None:
    """Set the first filters of `conv` to the principal components of the images' patches, and to their negatives.

    Each component is divided by the standard deviation along it, so that the responses are uncorrelated and have
    variance 1. The remaining filters keep their random weights. Directions in which the images do not vary (colour, if
    the images are grey) get no filter, because the norm layer behind the stem would amplify their rounding errors.

    Args:
        conv: the first convolution, with filters n_out×C×k×k.
        images: N×C×H×W, normalised.

    Source: Page 2019 (davidcpage/cifar10-fast), with the negatives of Jordan 2024, https://arxiv.org/abs/2404.00498.
    """
    kernel = conv.kernel_size
    patches = F.unfold(images.float(), kernel).transpose(1, 2).flatten(0, 1)  # patches × C·k·k
    variances, components = torch.linalg.eigh(patches.T.cov(correction=0).double())  # ascending; components in columns
    white = (components / (variances + VARIANCE_EPSILON).sqrt())[:, variances > MIN_VARIANCE].T.flip(0)  # largest first
    filters = torch.stack([white, -white], dim=1).flatten(0, 1)[: conv.out_channels]  # each before its negative
    conv.weight[: len(filters)] = filters.view(-1, conv.in_channels, *kernel).to(conv.weight)
