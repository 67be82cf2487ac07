"""What the loaders need to know, and what a recipe must offer so that they learn it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from data.opening import Source

Mirror = Literal["alternate", "random", "none"]
Cache = Literal["auto", "memory", "none"]


@dataclass(frozen=True)
class DataSettings:
    """How the images of a source become batches.

    Attributes:
        size: side of the square images, in pixels.
        batch_size: training images in a batch; validation batches hold twice as many.
        crop: border that training images are padded by and cropped from, as a fraction of `size`.
        mirror: `alternate` mirrors half of the training images in one epoch and the other half in the next, `random`
            each with probability 0.5, `none` no image.
        cutout: side of the square that is blanked in each training image, as a fraction of `size`.
        seed: decides order and augmentation, together with the epoch.
        workers: processes that make batches where neither the decoded images nor the GPU do; 0 is what is useful.
        cache: `memory` keeps the decoded images, `none` reads every image each time, `auto` keeps up to 512 MiB.
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
    """What `image_dls` asks of a recipe."""

    @property
    def seed(self) -> int:
        """Decides what is held out and what is left out, order and augmentation."""
        ...

    @property
    def limit(self) -> int | None:
        """At most this many training and this many validation images."""
        ...

    @property
    def holdout(self) -> int | None:
        """Validate on this many training images."""
        ...

    @property
    def skip_bad(self) -> bool:
        """Leave out images that cannot be read."""
        ...

    def data_settings(self, source: Source) -> DataSettings:
        """The settings for this source, with what suits its images where the recipe leaves a field open."""
        ...
