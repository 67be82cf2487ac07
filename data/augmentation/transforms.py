"""Transforms that augment a whole batch in one call, with random parameters for each image."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import cv2
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from data.augmentation.counter_rng import Keys
from data.common.errors import DataError


@dataclass(eq=False)
class BatchTransform:
    """Base class of the transforms of a batch: uint8 images, N×H×W×C or N×H×W, with random parameters for each.

    A subclass draws its parameters in `draw` and applies them in `apply_to_images`. If it also defines
    `apply_to_tensor`, the loader runs it on the device; both must return the same bytes.

    Args:
        p: probability with which an image is transformed.

    Raises:
        DataError: an argument is invalid; the message names it.
    """

    p: float = field(default=1.0, kw_only=True)

    apply_to_images: ClassVar[Callable[..., np.ndarray]]  # (self, images, **parameters)
    apply_to_tensor: ClassVar[Callable[..., Tensor] | None] = None  # (self, images N×H×W×C, **parameters)

    def __post_init__(self) -> None:
        self._require(0 <= self.p <= 1, "p", "a probability from 0 to 1")

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise DataError(f"{type(self).__name__}: {name} must be {rule}, not {getattr(self, name)!r}")

    def __call__(self, images: np.ndarray, keys: Keys | int = 0) -> np.ndarray:
        """Returns the transformed images; the input is not modified.

        Args:
            images: N×H×W×C or N×H×W, uint8.
            keys: random keys of the N images, or a seed.
        """
        if isinstance(keys, int):
            keys = Keys.of(keys, epoch=0, samples=np.arange(len(images)))
        return self.apply_to_images(images, **self.parameters(keys, images.shape[1:]))

    def parameters(self, keys: Keys, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the random parameters by name, each of length N.

        Args:
            keys: random keys of the N images.
            shape: H×W or H×W×C.
        """
        return self.draw(keys, keys.uniform(0) < self.p, shape)

    def draw(self, keys: Keys, selected: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Draw the random parameters: a dictionary by name, each of length N.

        Args:
            keys: random keys of the N images. The random number with index 0 was used for `selected`.
            selected: N, bool, mask of the images to transform.
            shape: H×W or H×W×C.
        """
        raise NotImplementedError


@dataclass(eq=False)
class BatchCrop(BatchTransform):
    """Pads each image by `pad` pixels on every side and crops it to its original size at a random offset.

    Args:
        pad: width of the border, in pixels.
        border: `reflect` (without repeating the edge) or `constant`.
        fill: value of a constant border, 0 to 255.
        p: probability of a random offset; images that are not selected are unchanged.
    """

    pad: int = 4
    border: Literal["reflect", "constant"] = "reflect"
    fill: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.pad >= 0, "pad", "at least 0 pixels")
        self._require(self.border in ("reflect", "constant"), "border", "reflect or constant")
        self._require(0 <= self.fill <= 255, "fill", "from 0 to 255")

    def draw(self, keys: Keys, selected: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Draw the upper left corner of the crop in the padded image: `y` and `x` in [0, 2·pad]."""
        y, x = (np.where(selected, keys.integers(i, 2 * self.pad + 1), self.pad) for i in (1, 2))
        return {"y": y, "x": x}

    def apply_to_images(self, images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Returns the cropped images."""
        n, height, width = images.shape[:3]
        return _windows(self._padded(images), height, width)[np.arange(n), y, x].reshape(images.shape)

    def apply_to_tensor(self, images: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Returns the cropped images, computed on their device."""
        n, height, width = images.shape[:3]
        rows, row_inside = self._sources(y, height)  # N×H
        columns, column_inside = self._sources(x, width)  # N×W
        first = torch.arange(n, device=images.device)[:, None, None]
        moved = images[first, rows[:, :, None], columns[:, None, :]]
        if self.border == "reflect":
            return moved
        inside = row_inside[:, :, None] & column_inside[:, None, :]  # N×H×W
        return moved.masked_fill(~inside[..., None], self.fill)

    def _sources(self, offset: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Returns where the pixels along one side of the cropped images come from.

        Args:
            offset: N, the start of each crop in the padded image.
            side: height or width of the images, in pixels.

        Returns:
            For each image and each position, the index of the source pixel, and whether it is inside the image and not
            in the border; both N×side.
        """
        position = torch.arange(side, device=offset.device) + offset[:, None] - self.pad  # N×side
        period = max(1, 2 * (side - 1))
        folded = position % period
        return torch.minimum(folded, period - folded), (position >= 0) & (position < side)

    def _padded(self, images: np.ndarray) -> np.ndarray:
        """Returns the padded images. OpenCV pads the columns of all images in one call: half the time of `np.pad`."""
        mode = cv2.BORDER_CONSTANT if self.border == "constant" else cv2.BORDER_REFLECT_101
        tall = images.reshape(-1, *images.shape[2:])  # NH×W×C
        wide = cv2.copyMakeBorder(tall, 0, 0, self.pad, self.pad, mode, value=[self.fill] * 4)
        rows = wide.reshape(*images.shape[:2], wide.shape[1], *images.shape[3:])  # N×H×(W+2·pad)×C
        sides = [(0, 0), (self.pad, self.pad), (0, 0), (0, 0)][: images.ndim]
        if self.border == "constant":
            return np.pad(rows, sides, constant_values=self.fill)
        return np.pad(rows, sides, "reflect")


@dataclass(eq=False)
class BatchMirror(BatchTransform):
    """Mirrors each image left to right with probability `p`.

    Args:
        p: probability for each image.
    """

    p: float = 0.5

    def draw(self, keys: Keys, selected: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Draw nothing more: the selected images are mirrored."""
        return {"mirrored": selected}

    def apply_to_images(self, images: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
        """Returns the images, of which those in the mask `mirrored` are mirrored."""
        result = images.copy()
        if mirrored.any():
            chosen = images[mirrored]
            rows = chosen.reshape(-1, *chosen.shape[2:])  # NH×W×C, so that one call mirrors all rows
            result[mirrored] = cv2.flip(rows, 1).reshape(chosen.shape)
        return result

    def apply_to_tensor(self, images: Tensor, mirrored: Tensor) -> Tensor:
        """Returns the images, of which those in the mask `mirrored` are mirrored, computed on their device."""
        return torch.where(mirrored[:, None, None, None], images.flip(2), images)


@dataclass(eq=False)
class BatchAlternatingMirror(BatchMirror):
    """Mirrors half of the images in one epoch and the other half in the next.

    Args:
        p: probability for each image of its half.

    Source: Jordan 2024, https://arxiv.org/abs/2404.00498.
    """

    p: float = 1.0

    def draw(self, keys: Keys, selected: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Draw the half of the images to mirror, which depends on the epoch being even or odd."""
        return {"mirrored": selected & (keys.coins() ^ bool(keys.epoch % 2))}


@dataclass(eq=False)
class BatchCutout(BatchTransform):
    """Fills a random square inside each image with one colour.

    Args:
        side: side of the square, in pixels.
        fill: one value for all channels, or one per channel, 0 to 255.
        p: probability for each image.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552.
    """

    side: int = 8
    fill: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.side >= 1, "side", "at least 1 pixel")
        self._require(all(0 <= f <= 255 for f in np.atleast_1d(self.fill)), "fill", "from 0 to 255")

    def draw(self, keys: Keys, selected: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Draw the upper left corner of the square; `selected` says which images get one."""
        y, x = (keys.integers(i, shape[i - 1] - self.side + 1) for i in (1, 2))
        return {"selected": selected, "y": y, "x": x}

    def apply_to_images(self, images: np.ndarray, selected: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Returns the images with their squares filled."""
        result = images.copy()
        which = np.flatnonzero(selected)
        windows = _windows(result, self.side, self.side, writeable=True)
        channels = windows.shape[-1] // self.side
        windows[which, y[which], x[which]] = np.tile(np.broadcast_to(self.fill, channels), self.side)
        return result

    def apply_to_tensor(self, images: Tensor, selected: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Returns the images with their squares filled, computed on their device."""
        height, width = images.shape[1:3]
        rows, columns = self._covered(y, height), self._covered(x, width)
        square = (selected[:, None] & rows)[:, :, None] & columns[:, None, :]  # N×H×W
        fill = torch.tensor(self.fill, dtype=images.dtype, device=images.device)
        return torch.where(square[..., None], fill, images)

    def _covered(self, start: Tensor, length: int) -> Tensor:
        """Returns for each image which positions along one of its sides the square covers: N×length, bool."""
        position = torch.arange(length, device=start.device) - start[:, None]
        return (position >= 0) & (position < self.side)


def _windows(images: np.ndarray, height: int, width: int, writeable: bool = False) -> np.ndarray:
    """Returns a view of all windows of height×width: the element [n, y, x] has shape height×(width·C)."""
    n, h, w = images.shape[:3]
    channels = images.size // (n * h * w)
    rows = images.reshape(n, h, w * channels)
    view = sliding_window_view(rows, (height, width * channels), axis=(1, 2), writeable=writeable)
    return view[:, :, ::channels]
