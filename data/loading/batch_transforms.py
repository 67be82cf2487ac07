"""Apply the `after_batch` transforms of a loader, both those of fastai and those of this project."""

from typing import Any

from fastai.data.transforms import IntToFloatTensor
from fasttransform import Pipeline


def are_per_image(transforms: Any) -> bool:
    """Whether every transform treats each image independently, so that several batches can be transformed together.

    Args:
        transforms: a `Pipeline`, or a function that the user has set instead.
    """
    return isinstance(transforms, Pipeline) and all(getattr(f, "per_image", False) for f in transforms.fs)


def apply_batch_transforms(transforms: Any, batch: tuple) -> tuple:
    """Returns the transformed batch.

    Transforms of fastai, such as `Flip`, expect floats from 0 to 1, which `IntToFloatTensor` makes. It is added only if
    the pipeline contains such transforms, because normalising the bytes directly is faster.

    Args:
        transforms: a `Pipeline`, or a function that the user has set instead.
        batch: images N×C×H×W, uint8, and targets.
    """
    if not isinstance(transforms, Pipeline) or are_per_image(transforms):
        return transforms(batch)
    if not any(isinstance(f, IntToFloatTensor) for f in transforms.fs):
        transforms = Pipeline([*transforms.fs, IntToFloatTensor()], split_idx=transforms.split_idx)
    return transforms(batch)
