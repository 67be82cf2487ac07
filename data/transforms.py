"""Transforms that treat a whole batch at once, with parameters for each of its images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import cv2
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from data.common.errors import DataError
from data.keys import Keys


@dataclass(eq=False)
class BatchTransform:
    """A transform of N×H×W×C or N×H×W images, uint8, that draws parameters for each of them.

    A subclass draws in `draw` and applies in `apply_to_images`. Where it also applies in `apply_to_tensor`, the loader
    runs it on the device; both must give the same bytes.

    Args:
        p: probability for each image.

    Raises:
        DataError: a value that no transform can have, named.
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
        """The images, changed; the given ones stay as they are.

        Args:
            images: N×H×W×C or N×H×W, uint8.
            keys: what the draws are made from. A number is a seed: the same one gives the same result.
        """
        if isinstance(keys, int):
            keys = Keys.of(keys, epoch=0, samples=np.arange(len(images)))
        return self.apply_to_images(images, **self.parameters(keys, images.shape[1:]))

    def parameters(self, keys: Keys, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Parameters by name, each of length N, for images of this shape."""
        return self.draw(keys, keys.uniform(0) < self.p, shape)

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Parameters by name, each of length N.

        Args:
            keys: draws by number; number 0 was used for `hit`.
            hit: N, bool, the images that the transform falls on.
            shape: H×W or H×W×C.
        """
        raise NotImplementedError


@dataclass(eq=False)
class BatchCrop(BatchTransform):
    """Pad by `pad` pixels on every side and crop back to the old size, at an offset drawn for each image.

    Args:
        pad: pixels.
        border: reflect (without repeating the edge) or constant.
        fill: value of a constant border, 0 to 255.
        p: probability of an offset; an image that is spared stays as it is.
    """

    pad: int = 4
    border: Literal["reflect", "constant"] = "reflect"
    fill: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.pad >= 0, "pad", "at least 0 pixels")
        self._require(self.border in ("reflect", "constant"), "border", "reflect or constant")
        self._require(0 <= self.fill <= 255, "fill", "from 0 to 255")

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The upper left corner of the crop in the padded image: `y` and `x` in [0, 2·pad]."""
        y, x = (np.where(hit, keys.integers(i, 2 * self.pad + 1), self.pad) for i in (1, 2))
        return {"y": y, "x": x}

    def apply_to_images(self, images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        n, height, width = images.shape[:3]
        return _windows(self._padded(images), height, width)[np.arange(n), y, x].reshape(images.shape)

    def apply_to_tensor(self, images: Tensor, y: Tensor, x: Tensor) -> Tensor:
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
        """For each image and each position along one side: where its pixel comes from, and whether it is no border."""
        wanted = torch.arange(side, device=offset.device) + offset[:, None] - self.pad  # N×side
        period = max(1, 2 * (side - 1))
        folded = wanted % period
        return torch.minimum(folded, period - folded), (wanted >= 0) & (wanted < side)

    def _padded(self, images: np.ndarray) -> np.ndarray:
        """Columns in one call for the rows of all images, then rows: half the time of `np.pad` alone."""
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
    """Mirror left and right, each image with probability `p`."""

    p: float = 0.5

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {"mirrored": hit}

    def apply_to_images(self, images: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
        result = images.copy()
        if mirrored.any():
            chosen = images[mirrored]
            rows = chosen.reshape(-1, *chosen.shape[2:])  # NH×W×C: one call mirrors all rows
            result[mirrored] = cv2.flip(rows, 1).reshape(chosen.shape)
        return result

    def apply_to_tensor(self, images: Tensor, mirrored: Tensor) -> Tensor:
        return torch.where(mirrored[:, None, None, None], images.flip(2), images)


@dataclass(eq=False)
class BatchAlternatingMirror(BatchMirror):
    """Mirror half of the images, and the other half in the next epoch: two epochs show both sides of each.

    Source: Jordan 2024, https://arxiv.org/abs/2404.00498.
    """

    p: float = 1.0

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {"mirrored": hit & (keys.coins() ^ bool(keys.epoch % 2))}


@dataclass(eq=False)
class BatchCutout(BatchTransform):
    """Blank a square that lies wholly inside the image.

    Args:
        side: pixels.
        fill: a value for all channels, or one for each, 0 to 255.
        p: probability for each image.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552.
    """

    side: int = 8
    fill: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.side >= 1, "side", "at least 1 pixel")
        self._require(all(0 <= f <= 255 for f in np.atleast_1d(self.fill)), "fill", "from 0 to 255")

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The upper left corner of the square, and which images have one."""
        y, x = (keys.integers(i, shape[i - 1] - self.side + 1) for i in (1, 2))
        return {"hit": hit, "y": y, "x": x}

    def apply_to_images(self, images: np.ndarray, hit: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        result = images.copy()
        which = np.flatnonzero(hit)
        windows = _windows(result, self.side, self.side, writeable=True)
        channels = windows.shape[-1] // self.side
        windows[which, y[which], x[which]] = np.tile(np.broadcast_to(self.fill, channels), self.side)
        return result

    def apply_to_tensor(self, images: Tensor, hit: Tensor, y: Tensor, x: Tensor) -> Tensor:
        height, width = images.shape[1:3]
        rows, columns = self._covered(y, height), self._covered(x, width)
        square = (hit[:, None] & rows)[:, :, None] & columns[:, None, :]  # N×H×W
        fill = torch.tensor(self.fill, dtype=images.dtype, device=images.device)
        return torch.where(square[..., None], fill, images)

    def _covered(self, start: Tensor, length: int) -> Tensor:
        """For each image, which positions along one of its sides the square covers: N×length."""
        position = torch.arange(length, device=start.device) - start[:, None]
        return (position >= 0) & (position < self.side)


def _windows(images: np.ndarray, height: int, width: int, writeable: bool = False) -> np.ndarray:
    """All windows of height×width: a view [n, y, x] → height×(width·C), whose rows are runs of memory."""
    n, h, w = images.shape[:3]
    channels = images.size // (n * h * w)
    rows = images.reshape(n, h, w * channels)
    view = sliding_window_view(rows, (height, width * channels), axis=(1, 2), writeable=writeable)
    return view[:, :, ::channels]
