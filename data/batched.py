"""Run an Albumentations pipeline over a batch, with parameters of their own for every image."""

import random

import albumentations as A
import numpy as np
import torch
from torch import Tensor

from data.common.errors import DataError
from data.keys import Keys
from data.transforms import BatchTransform


def augment(pipeline: A.Compose, images: np.ndarray, keys: Keys) -> np.ndarray:
    """The pipeline on N×H×W×C uint8 images; each step draws independently of the others.

    Args:
        pipeline: any transforms and containers. Those of `data.transforms` treat the batch at once, others an
            image at a time.
        images: stays as it is.
        keys: what the draws are made from.

    Raises:
        DataError: a step whose results are not uint8 images of one shape, named.
    """
    steps = pipeline.transforms if pipeline.p >= 1 else [pipeline]
    for position, step in enumerate(steps):
        run = _at_once if isinstance(step, BatchTransform) else _one_by_one
        images = run(step, images, keys.salted(position))
    return images


def runs_on_device(pipeline: A.Compose) -> bool:
    """Whether every step can be applied to tensors, so that `augment_tensor` can stand in for `augment`."""
    steps = pipeline.transforms
    return pipeline.p >= 1 and all(isinstance(s, BatchTransform) and s.apply_to_tensor is not None for s in steps)


def augment_tensor(pipeline: A.Compose, images: Tensor, keys: Keys) -> Tensor:
    """`augment` on the device of `images`, N×H×W×C uint8: the same draws and the same bytes.

    Args:
        pipeline: one that `runs_on_device`.
        images: stay as they are.
        keys: what the draws are made from.
    """
    for position, step in enumerate(pipeline.transforms):
        drawn = step.parameters(keys.salted(position), step.p, tuple(images.shape[1:]))
        images = step.apply_to_tensor(
            images, **{name: torch.from_numpy(v).to(images.device) for name, v in drawn.items()}
        )
    return images


def _at_once(step: BatchTransform, images: np.ndarray, keys: Keys) -> np.ndarray:
    return step(images=images, keys=keys)["images"]


def _one_by_one(step: A.BasicTransform | A.BaseCompose, images: np.ndarray, keys: Keys) -> np.ndarray:
    results = []
    for image, key in zip(images, keys.hashes.tolist(), strict=True):
        step.set_random_state(np.random.Generator(np.random.Philox(key=key)), random.Random(key))
        results.append(step(image=image)["image"])
    kinds = {(type(r), getattr(r, "dtype", None), getattr(r, "shape", None)) for r in results}
    if len(kinds) != 1 or results[0].dtype != np.uint8:
        raise DataError(
            f"{type(step).__name__} in the pipeline: must give uint8 arrays of one shape; "
            "the loader itself normalises and makes tensors"
        )
    return np.stack(results)
