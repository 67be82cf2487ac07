"""Initial weights beyond PyTorch's defaults. Each function changes the model in place."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data.block import ImageLoaders
from data.floats import normalised
from learners.models.resnet18 import BasicBlock
from learners.recipe import Plan, RecipeError

EPSILON = 5e-4  # added to the variances, whose mean is one
EMPTY = 1e-6  # a variance that is rounding and no image
WHITENING_IMAGES = 2000  # their patches, 1.8 million at 32 pixels, fix a 27×27 covariance


def initialise(model: nn.Module, plan: Plan, dls: ImageLoaders) -> None:
    """Give a new model the initial weights that the plan asks for.

    Raises:
        RecipeError: the model does not have the layers that a setting is about.
    """
    if plan.init == "kaiming":
        kaiming_filters(model)
    if plan.zero_init:
        zero_init_blocks(model)
    if plan.whiten:
        whiten_stem(first_convolution(model), sample_images(dls))


def first_convolution(model: nn.Module) -> nn.Conv2d:
    """The first convolution among the modules of a model: its stem.

    Raises:
        RecipeError: the model has none.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module
    raise RecipeError(f"`whiten`: {type(model).__name__} has no convolution; turn it off")


def sample_images(dls: ImageLoaders) -> Tensor:
    """Up to 2,000 training images as the model gets them, N×3×H×W, on the CPU; not augmented."""
    files, store = dls.source.train, dls.train.store
    some = slice(None, None, max(1, len(files) // WHITENING_IMAGES))
    if store is None:
        return torch.cat([x.cpu() for (x,) in dls.test_dl(list(files[some]))])
    mean, std = (torch.tensor(values) for values in dls.stats)
    return normalised(torch.from_numpy(np.array(store.pixels[some])), mean, std)


def zero_init_blocks(model: nn.Module) -> None:
    """Zero the scale of the last norm of each block, so that every block starts as its shortcut.

    Raises:
        RecipeError: the model has no such block.

    Source: Goyal et al. 2017, https://arxiv.org/abs/1706.02677, 5.1.
    """
    blocks = [block for block in model.modules() if isinstance(block, BasicBlock)]
    if not blocks:
        raise RecipeError(f"`zero_init`: {type(model).__name__} has no blocks with a shortcut; turn it off")
    for block in blocks:
        nn.init.zeros_(block.bn2.weight)


def kaiming_filters(model: nn.Module) -> None:
    """Draw the filters of every convolution anew, with variance 2 / fan-out.

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852; by fan-out as in torchvision's ResNets.
    """
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")


@torch.no_grad()
def whiten_stem(conv: nn.Conv2d, images: Tensor) -> None:
    """Let the first filters of `conv` be the principal components of the images' patches, and their negatives.

    Each is divided by the deviation along it, so that responses are uncorrelated and of variance one. The other
    filters keep their random weights, also in place of directions in which the images do not vary (colour, in grey
    ones): the norm behind the stem would blow up what little goes through.

    Args:
        conv: the first convolution, filters n_out×C×k×k.
        images: N×C×H×W, as the model gets them.

    Source: Page 2019 (davidcpage/cifar10-fast), with the negatives of Jordan 2024, https://arxiv.org/abs/2404.00498.
    """
    kernel = conv.kernel_size
    patches = F.unfold(images.float(), kernel).transpose(1, 2).flatten(0, 1)  # patches × C·k·k
    variances, components = torch.linalg.eigh(patches.T.cov(correction=0).double())  # ascending; components in columns
    white = (components / (variances + EPSILON).sqrt())[:, variances > EMPTY].T.flip(0)  # strongest first
    filters = torch.stack([white, -white], dim=1).flatten(0, 1)[: conv.out_channels]  # each beside its negative
    conv.weight[: len(filters)] = filters.view(-1, conv.in_channels, *kernel).to(conv.weight)
