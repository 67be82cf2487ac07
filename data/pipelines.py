"""The augmentation of a training run, and how a pipeline of steps is run over a batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Union

import numpy as np
from torch import Tensor

from data.common.transfer import sent
from data.keys import Keys
from data.settings import DataSettings
from data.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror, BatchTransform

if TYPE_CHECKING:
    import albumentations as A

    from data.albumentations_adapter import ImageByImage

Step = Union[BatchTransform, "ImageByImage"]  # both are called with images N×H×W×C uint8 and their keys
Pipeline = Union[Step, "A.BasicTransform", "A.BaseCompose", Sequence["Pipeline"]]
MIRRORS = {"alternate": BatchAlternatingMirror, "random": BatchMirror}


def train_pipeline(settings: DataSettings, fill: tuple[int, ...] | int = 0) -> list[BatchTransform]:
    """Crop, mirror and cutout, where the settings ask for them.

    Args:
        settings: `size`, `crop`, `mirror` and `cutout` are used.
        fill: colour of the cutout, 0 to 255.
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
    """A pipeline as steps that treat a batch.

    Args:
        pipeline: one step or several; each is a `BatchTransform`, or a transform or container of Albumentations. Of an
            `A.Compose` that stands alone and always fires, each member is a step.

    Raises:
        DataError: what is no step, named.
    """
    if isinstance(pipeline, list | tuple):
        return tuple(_step(step) for step in pipeline)
    if isinstance(pipeline, BatchTransform):
        return (pipeline,)
    from data.albumentations_adapter import members

    return tuple(_step(step) for step in members(pipeline))


def _step(step: Pipeline) -> Step:
    if isinstance(step, BatchTransform):
        return step
    from data.albumentations_adapter import ImageByImage

    return step if isinstance(step, ImageByImage) else ImageByImage(step)


def augment(steps: Sequence[Step], images: np.ndarray, keys: Keys) -> np.ndarray:
    """The steps on N×H×W×C uint8 images; each step draws independently of the others.

    Args:
        steps: of `steps_of`.
        images: stay as they are.
        keys: what the draws are made from.

    Raises:
        DataError: a step whose results are not uint8 images of one shape, named.
    """
    for position, step in enumerate(steps):
        images = step(images, keys.salted(position))
    return images


def runs_on_device(steps: Sequence[Step]) -> bool:
    """Whether every step can be applied to tensors, so that `augment_tensor` can stand in for `augment`."""
    return all(isinstance(step, BatchTransform) and step.apply_to_tensor is not None for step in steps)


def augment_tensor(steps: Sequence[Step], images: Tensor, keys: Keys) -> Tensor:
    """`augment` on the device of `images`, N×H×W×C uint8: the same draws and the same bytes.

    Args:
        steps: such that `runs_on_device`.
        images: stay as they are.
        keys: what the draws are made from.
    """
    for position, step in enumerate(steps):
        assert isinstance(step, BatchTransform)
        assert step.apply_to_tensor is not None
        drawn = step.parameters(keys.salted(position), tuple(images.shape[1:]))
        images = step.apply_to_tensor(images, **{name: sent(values, images.device) for name, values in drawn.items()})
    return images
