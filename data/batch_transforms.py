"""How the transforms of a loader's `after_batch` are applied: fastai's own beside the project's."""

from typing import Any

from fastai.data.transforms import IntToFloatTensor
from fasttransform import Pipeline


def treats_alone(transforms: Any) -> bool:
    """Whether each image alone decides its result, so that several batches may be treated at once.

    Args:
        transforms: a `Pipeline`, or a function that a user put in its place.
    """
    return isinstance(transforms, Pipeline) and all(getattr(f, "per_image", False) for f in transforms.fs)


def transformed(transforms: Any, batch: tuple) -> tuple:
    """The batch after its transforms.

    fastai's transforms, such as `Flip`, want floats from 0 to 1. In a loader of fastai `IntToFloatTensor` makes those;
    here it joins only where it is needed, because normalising bytes in one go is faster.
    """
    if not isinstance(transforms, Pipeline) or treats_alone(transforms):
        return transforms(batch)
    if not any(isinstance(f, IntToFloatTensor) for f in transforms.fs):
        transforms = Pipeline([*transforms.fs, IntToFloatTensor()], split_idx=transforms.split_idx)
    return transforms(batch)
