"""The one place where data, model, loss, metrics and callbacks meet."""

from pathlib import Path

import numpy as np
import torch
from fastai.callback.core import TrainEvalCallback
from fastai.data.core import DataLoaders
from fastai.torch_core import defaults
from torch import Tensor

from callbacks.training.means import hit_rate
from callbacks.training.progress import RichProgress
from callbacks.training.recorder import DeviceMean, DeviceRecorder
from data import image_dls
from data.floats import normalised
from learners.device import pick_device
from learners.init import WHITENING_IMAGES, kaiming_filters, whiten_stem, zero_init_blocks
from learners.learner import ImageLearner
from learners.loss import ClassLoss
from learners.optimizer import opt_func, splitter
from learners.recipe import Recipe
from learners.resnet import ResNet18
from learners.run import check_free


def image_learner(data: str | Path = "cifar10", *, out: str | Path | None = None, **settings) -> ImageLearner:
    """A `Learner` for the images of `data`, ready for `fit_recipe` and every verb of fastai.

    Args:
        data: `digits`, `cifar10`, `cifar100`, or a folder of images.
        out: the run directory that `fit_recipe` is to fill; without it the session writes no files.
        settings: any field of `Recipe`.

    Raises:
        RecipeError: a setting that does not exist or that no run can have.
        DataError: the images cannot be had.
        RunDirectoryError: `out` exists and is not empty.
    """
    recipe = Recipe.of(data=str(data), **settings)
    device = pick_device(recipe.device)
    out = check_free(Path(out)) if out else None
    dls = image_dls(recipe.data, recipe).to(device)
    return assemble(dls, initial_model(dls), out=out)


def assemble(dls: DataLoaders, model: ResNet18, **kwargs) -> ImageLearner:
    """The learner of a model and the loaders of `image_dls`, both on one device; `kwargs` are `ImageLearner`'s own."""
    recipe = dls.recipe
    return ImageLearner(
        dls,
        model,
        recipe=recipe,
        loss_func=ClassLoss(label_smoothing=recipe.label_smoothing),
        opt_func=opt_func(recipe),
        splitter=splitter(recipe),
        lr=defaults.lr if recipe.lr == "auto" else recipe.lr,
        metrics=DeviceMean(hit_rate, "accuracy"),
        default_cbs=False,  # fastai's recorder waits for the device each step, its progress bar writes into pipes
        cbs=[TrainEvalCallback, DeviceRecorder, RichProgress],
        **kwargs,
    )


def initial_model(dls: DataLoaders, width: int = 64) -> ResNet18:
    """Weights from the recipe's seed and, for a whitened stem, from the images.

    The session's own random state is left as it was.

    Args:
        dls: the loaders of `image_dls`.
        width: channels of the stem; 64 is the published net.
    """
    recipe = dls.recipe
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        model = ResNet18(len(dls.vocab), width=width)
        if recipe.init == "kaiming":
            kaiming_filters(model)
        if recipe.zero_init:
            zero_init_blocks(model)
        if recipe.whiten:
            whiten_stem(model.conv1, _sample(dls))
    return model.to(dls.device, memory_format=torch.channels_last)


def _sample(dls: DataLoaders) -> Tensor:
    """Up to 2,000 training images as the model gets them, N×3×H×W, on the CPU; not augmented."""
    files, store = dls.source.train_files, dls.train.store
    some = slice(None, None, max(1, len(files) // WHITENING_IMAGES))
    if store is None:
        return torch.cat([x.cpu() for (x,) in dls.test_dl([file.path for file in files[some]])])
    mean, std = (torch.tensor(values) for values in dls.stats)
    return normalised(torch.from_numpy(np.array(store.pixels[some])), mean, std)
