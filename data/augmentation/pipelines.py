"""Build the augmentation pipeline of a run, and apply the steps of a pipeline to a batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Union

import numpy as np
from torch import Tensor

from data.augmentation.counter_rng import Keys
from data.augmentation.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror, BatchTransform
from data.common.transfer import copy_to_device
from data.settings import DataSettings

if TYPE_CHECKING:
    import albumentations as A

    from data.augmentation.albumentations_adapter import ImageByImage

Step = Union[BatchTransform, "ImageByImage"]  # both are called with images N×H×W×C, uint8, and their random keys
Pipeline = Union[Step, "A.BasicTransform", "A.BaseCompose", Sequence["Pipeline"]]
MIRRORS = {"alternate": BatchAlternatingMirror, "random": BatchMirror}


def train_pipeline(settings: DataSettings, fill: tuple[int, ...] | int = 0) -> list[BatchTransform]:
    """Returns the crop, mirror and cutout that the settings ask for.

    Args:
        settings: `size`, `crop`, `mirror` and `cutout` are used.
        fill: colour of the cutout square, 0 to 255.
    """
    pad, side = round(settings.crop * settings.size), round(settings.cutout * settings.size)
    steps: list[BatchTransform] = []
    if pad:
        steps.append(BatchCrop(pad))
    if settings.mirror != "none":
        steps.append(MIRRORS[settings.mirror]())
    if side:
        steps.append(BatchCutout(side, fill))
    return steps


def steps_of(pipeline: Pipeline) -> tuple[Step, ...]:
    """Convert a pipeline to steps that transform whole batches.

    Args:
        pipeline: one step or a list of steps; each is a `BatchTransform`, or a transform or container of
            Albumentations. A single `A.Compose` with probability 1 is replaced by its members.

    Raises:
        DataError: an element is not a step; the message names it.
    """
    if isinstance(pipeline, list | tuple):
        return tuple(_step(step) for step in pipeline)
    if isinstance(pipeline, BatchTransform):
        return (pipeline,)
    from data.augmentation.albumentations_adapter import steps_in

    return tuple(_step(step) for step in steps_in(pipeline))


def _step(step: Pipeline) -> Step:
    if isinstance(step, BatchTransform):
        return step
    from data.augmentation.albumentations_adapter import ImageByImage

    return step if isinstance(step, ImageByImage) else ImageByImage(step)


def augment(steps: Sequence[Step], images: np.ndarray, keys: Keys) -> np.ndarray:
    """Apply the steps to a batch; the random numbers of each step are independent of the other steps.

    Args:
        steps: the result of `steps_of`.
        images: N×H×W×C, uint8; not modified.
        keys: random keys of the N images.

    Raises:
        DataError: the results of a step are not uint8 images of one shape; the message names it.
    """
    for position, step in enumerate(steps):
        images = step(images, keys.salted(position))
    return images


def runs_on_device(steps: Sequence[Step]) -> bool:
    """Whether every step can be applied to tensors, so that `augment_tensor` can replace `augment`."""
    return all(isinstance(step, BatchTransform) and step.apply_to_tensor is not None for step in steps)


def augment_tensor(steps: Sequence[Step], images: Tensor, keys: Keys) -> Tensor:
    """Apply the steps on the device of `images`. The result equals that of `augment`, byte for byte.

    Args:
        steps: steps for which `runs_on_device` is true.
        images: N×H×W×C, uint8; not modified.
        keys: random keys of the N images.
    """
    for position, step in enumerate(steps):
        assert isinstance(step, BatchTransform)
        assert step.apply_to_tensor is not None
        parameters = step.parameters(keys.salted(position), tuple(images.shape[1:]))
        tensors = {name: copy_to_device(values, images.device) for name, values in parameters.items()}
        images = step.apply_to_tensor(images, **tensors)
    return images
