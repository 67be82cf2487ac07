"""Any transform of Albumentations as a step of a pipeline. No other module of the project imports Albumentations."""

import random
from collections.abc import Sequence
from typing import Any

import albumentations as A
import numpy as np

from data.common.errors import DataError
from data.keys import Keys


class ImageByImage:
    """A transform or container of Albumentations that treats each image by itself, with draws from the image's key.

    Raises:
        DataError: what is neither a `BatchTransform` nor of Albumentations, named.
    """

    def __init__(self, step: Any) -> None:
        if not isinstance(step, A.BasicTransform | A.BaseCompose):
            raise DataError(
                f"{step!r} in the pipeline: neither a BatchTransform nor a transform of Albumentations; "
                "derive your own from BatchTransform"
            )
        self.step = step

    def __repr__(self) -> str:
        return repr(self.step)

    def __call__(self, images: np.ndarray, keys: Keys) -> np.ndarray:
        """N×H×W×C uint8 images, changed; the given ones stay as they are.

        Raises:
            DataError: results that are not uint8 images of one shape.
        """
        results = []
        for image, key in zip(images, keys.hashes.tolist(), strict=True):
            self.step.set_random_state(np.random.Generator(np.random.Philox(key=key)), random.Random(key))
            results.append(self.step(image=image)["image"])
        kinds = {(type(r), getattr(r, "dtype", None), getattr(r, "shape", None)) for r in results}
        if len(kinds) != 1 or results[0].dtype != np.uint8:
            raise DataError(
                f"{type(self.step).__name__} in the pipeline: must give uint8 arrays of one shape; "
                "the loader itself normalises and makes tensors"
            )
        return np.stack(results)


def members(pipeline: Any) -> Sequence[Any]:
    """The steps of a pipeline that stands alone: an `A.Compose` that always fires has its members, others are one."""
    return pipeline.transforms if isinstance(pipeline, A.Compose) and pipeline.p >= 1 else [pipeline]
