"""Chosen images of a loader, as tensors for the model and as pictures for people."""

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
    """Return a context in which a loader's images are not augmented.

    Otherwise two passes over a training loader would return two different augmentations of each image.
    """
    choose_split = getattr(dl.dataset, "set_split_idx", None)
    return choose_split(1) if choose_split else nullcontext()


def chosen_batches(dl: DataLoader, idxs: Sequence[int]) -> list[tuple[Tensor, Tensor, np.ndarray]]:
    """Return batches of the images at `idxs`, in that order and not augmented.

    Args:
        dl: loader of images with labels.
        idxs: indices in the dataset of the loader.

    Returns:
        For each batch the images as the model takes them (N×C×H×W), their labels (N), and their `pictures`.

    Raises:
        CamError: the loader has no labels.
    """
    state = random.getstate()  # restored below: fastai draws from it when it makes a loader
    with torch.random.fork_rng(devices=[]), without_augmentation(dl):
        batches = list(dl.new(shuffle=False, drop_last=False, num_workers=0, get_idxs=partial(list, idxs)))
    random.setstate(state)
    if batches and len(batches[0]) < 2:
        raise CamError("the loader has images without labels: make it with dls.test_dl(images, with_labels=True)")
    return [(batch[0].as_subclass(Tensor), batch[1].as_subclass(Tensor), pictures(dl, batch)) for batch in batches]


def pictures(dl: DataLoader, batch: tuple) -> np.ndarray:
    """Return the images of a batch as N×H×W×C with values from 0 to 1, with the loader's normalisation undone.

    If values are still outside [0, 1], because the loader has no `Normalize` to undo, the whole batch is rescaled to
    [0, 1].
    """
    decoded = dl.decode(batch)[0].as_subclass(Tensor).cpu()
    whole = not decoded.is_floating_point()
    shown = decoded.float().permute(0, 2, 3, 1).numpy() / (255 if whole else 1)  # N×H×W×C
    low, high = float(shown.min()), float(shown.max())
    if low < -0.01 or high > 1.01:
        shown = (shown - low) / (high - low)
    return shown.clip(0, 1)
