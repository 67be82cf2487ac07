"""Use Albumentations transforms as steps of a pipeline. No other module of the project imports Albumentations."""

import random
from collections.abc import Sequence
from typing import Any

import albumentations as A
import numpy as np

from data.augmentation.counter_rng import Keys
from data.common.errors import DataError


class ImageByImage:
    """Applies an Albumentations transform or container to each image of a batch, with random numbers from its key.

    Args:
        step: the transform or container.

    Raises:
        DataError: `step` is neither a `BatchTransform` nor an Albumentations transform; the message names it.
    """

    def __init__(self, step: Any) -> None:
        if not isinstance(step, A.BasicTransform | A.BaseCompose):
            raise DataError(
                f"{step!r} in the pipeline is neither a BatchTransform nor an Albumentations transform; "
                "derive your own transforms from BatchTransform"
            )
        self.step = step

    def __repr__(self) -> str:
        return repr(self.step)

    def __call__(self, images: np.ndarray, keys: Keys) -> np.ndarray:
        """Returns the transformed images; the input is not modified.

        Args:
            images: N×H×W×C, uint8.
            keys: random keys of the N images.

        Raises:
            DataError: the results are not uint8 images of one shape.
        """
        results = []
        for image, key in zip(images, keys.hashes.tolist(), strict=True):
            self.step.set_random_state(np.random.Generator(np.random.Philox(key=key)), random.Random(key))
            results.append(self.step(image=image)["image"])
        kinds = {(type(r), getattr(r, "dtype", None), getattr(r, "shape", None)) for r in results}
        if len(kinds) != 1 or results[0].dtype != np.uint8:
            raise DataError(
                f"{type(self.step).__name__} in the pipeline must return uint8 arrays of one shape; "
                "leave normalisation and the conversion to tensors to the loader"
            )
        return np.stack(results)


def steps_in(pipeline: Any) -> Sequence[Any]:
    """Returns the steps of a pipeline that is a single Albumentations object.

    An `A.Compose` with probability 1 is replaced by its members; any other object is one step.
    """
    return pipeline.transforms if isinstance(pipeline, A.Compose) and pipeline.p >= 1 else [pipeline]
