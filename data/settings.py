"""The settings of the loaders, and the fields of a recipe that they are computed from. Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from data.opening import Source

Mirror = Literal["alternate", "random", "none"]
Cache = Literal["auto", "memory", "none"]


@dataclass(frozen=True)
class DataSettings:
    """The settings that determine how the images of a source become batches.

    Attributes:
        size: side of the square images, in pixels.
        batch_size: number of images in a training batch; a validation batch has twice as many.
        crop: border that is added to training images before a random crop, as a fraction of `size`.
        mirror: `alternate` mirrors half of the training images in one epoch and the other half in the next; `random`
            mirrors each with probability 0.5; `none` mirrors no image.
        cutout: side of the square that is blanked in each training image, as a fraction of `size`.
        seed: determines order and augmentation, together with the epoch.
        workers: number of worker processes that make batches; see `BatchDL`.
        cache: `memory` keeps the decoded images, `none` decodes each image in every epoch, `auto` keeps up to 512 MiB.
    """

    size: int
    batch_size: int
    crop: float
    mirror: Mirror
    cutout: float
    seed: int
    workers: int
    cache: Cache


class DataRecipe(Protocol):
    """The fields of a recipe that `image_dls` uses."""

    @property
    def seed(self) -> int:
        """Determines the split, the images that `limit` leaves out, the order and the augmentation."""
        ...

    @property
    def limit(self) -> int | None:
        """Maximum number of training images and of validation images."""
        ...

    @property
    def holdout(self) -> int | None:
        """Number of training images to validate on."""
        ...

    @property
    def skip_bad(self) -> bool:
        """Whether to leave out images that cannot be read."""
        ...

    def data_settings(self, source: Source) -> DataSettings:
        """Returns the settings for a source; fields that the recipe leaves open get the defaults of the source."""
        ...
