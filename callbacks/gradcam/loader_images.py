"""Chosen images of a loader, as the model takes them and as a person sees them."""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import torch
from fastai.data.load import DataLoader
from torch import Tensor

from callbacks.gradcam.layers import CamError


def without_augmentation(dl: DataLoader) -> AbstractContextManager:
    """A context in which fastai's random transforms leave the images of a loader alone, as those of validation.

    Two passes through a training loader would else see two different augmentations of each image.
    """
    choose_split = getattr(dl.dataset, "set_split_idx", None)
    return choose_split(1) if choose_split else nullcontext()


def chosen_batches(dl: DataLoader, idxs: Sequence[int]) -> list[tuple[Tensor, Tensor, np.ndarray]]:
    """Batches of the images at `idxs`, in that order: as the model takes them, their labels, and as `pictures`.

    The images are not augmented.

    Raises:
        CamError: the loader knows no labels.
    """
    state = random.getstate()  # which each fastai loader draws from, and torch's each iteration
    with torch.random.fork_rng(devices=[]), without_augmentation(dl):
        batches = list(dl.new(shuffle=False, drop_last=False, num_workers=0, get_idxs=partial(list, idxs)))
    random.setstate(state)
    if batches and len(batches[0]) < 2:
        raise CamError("the loader gives images without labels: make it with dls.test_dl(images, with_labels=True)")
    return [(batch[0].as_subclass(Tensor), batch[1].as_subclass(Tensor), pictures(dl, batch)) for batch in batches]


def pictures(dl: DataLoader, batch: tuple) -> np.ndarray:
    """The images of a batch as N×H×W×C, from 0 to 1, with the loader's normalisation undone.

    Images whose values still leave 0 to 1, from a loader that does not know how they were normalised, are stretched to
    it, all alike.
    """
    decoded = dl.decode(batch)[0].as_subclass(Tensor).cpu()
    whole = not decoded.is_floating_point()
    shown = decoded.float().permute(0, 2, 3, 1).numpy() / (255 if whole else 1)  # N×H×W×C
    low, high = float(shown.min()), float(shown.max())
    if low < -0.01 or high > 1.01:
        shown = (shown - low) / (high - low)
    return shown.clip(0, 1)
