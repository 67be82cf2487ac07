"""Albumentations transforms that treat a whole batch at once, with parameters for each of its images."""

import zlib
from typing import Any, Literal

import albumentations as A
import cv2
import numpy as np
import torch
from albumentations.core.transforms_interface import BaseTransformInitSchema
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field
from torch import Tensor

from data.keys import Keys


class BatchTransform(A.ImageOnlyTransform):
    """A transform of N×H×W×C or N×H×W images that draws parameters for each of them, `p` included.

    The draws come from `keys` (see `data.keys`) where the call carries them, else from the transform's own
    random generator. A subclass draws in `draw` and applies in `apply_to_images`. Where it also applies in
    `apply_to_tensor`, the loader runs it on the device; both must give the same bytes.
    """

    apply_to_tensor = None

    @property
    def targets(self) -> dict[str, Any]:
        return {"image": self.apply, "images": self.apply_to_images}

    def should_apply(self, force_apply: bool = False) -> bool:
        self._rate = 1.0 if force_apply else self.p
        return True

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        keys = data.get("keys") or self._own_keys(len(data["images"]) if "images" in data else 1)
        return self.parameters(keys, self._rate, params["shape"])

    def parameters(self, keys: Keys, rate: float, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Parameters by name, each of length N, for images of this shape; `rate` is the probability for each image."""
        return self.draw(keys, keys.uniform(0) < rate, shape)

    def _own_keys(self, count: int) -> Keys:
        """Salted with the name: `A.Compose(seed=…)` gives all of its transforms the same generator."""
        fresh = self.random_generator.integers(0, 2**64, count, dtype=np.uint64)
        return Keys(fresh, epoch=0).salted(zlib.crc32(type(self).__name__.encode()))

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return self.apply_to_images(img[None], **params)[0]

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Parameters by name, each of length N.

        Args:
            keys: draws by number; number 0 was used for `hit`.
            hit: N, bool, the images that the transform falls on.
            shape: H×W or H×W×C.
        """
        raise NotImplementedError


class BatchCrop(BatchTransform):
    """Pad by `pad` pixels on every side and crop back to the old size, at an offset drawn for each image.

    Args:
        pad: pixels.
        border: reflect (without repeating the edge) or constant.
        fill: value of a constant border, 0 to 255.
        p: probability of an offset; an image that is spared stays as it is.
    """

    class InitSchema(BaseTransformInitSchema):
        pad: int = Field(ge=0)
        border: Literal["reflect", "constant"]
        fill: int = Field(ge=0, le=255)

    def __init__(self, pad: int = 4, border: str = "reflect", fill: int = 0, p: float = 1.0):
        super().__init__(p=p)
        self.pad, self.border, self.fill = pad, border, fill

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The upper left corner of the crop in the padded image: `y` and `x` in [0, 2·pad]."""
        y, x = (np.where(hit, keys.integers(i, 2 * self.pad + 1), self.pad) for i in (1, 2))
        return {"y": y, "x": x}

    def apply_to_images(self, images: np.ndarray, y: np.ndarray, x: np.ndarray, **params: Any) -> np.ndarray:
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
        fill = {"constant_values": self.fill} if self.border == "constant" else {}
        return np.pad(rows, sides, self.border, **fill)


class BatchMirror(BatchTransform):
    """Mirror left and right, each image with probability `p`."""

    def __init__(self, p: float = 0.5):
        super().__init__(p=p)

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {"mirrored": hit}

    def apply_to_images(self, images: np.ndarray, mirrored: np.ndarray, **params: Any) -> np.ndarray:
        result = images.copy()
        if mirrored.any():
            chosen = images[mirrored]
            rows = chosen.reshape(-1, *chosen.shape[2:])  # NH×W×C: one call mirrors all rows
            result[mirrored] = cv2.flip(rows, 1).reshape(chosen.shape)
        return result

    def apply_to_tensor(self, images: Tensor, mirrored: Tensor) -> Tensor:
        return torch.where(mirrored[:, None, None, None], images.flip(2), images)


class BatchAlternatingMirror(BatchMirror):
    """Mirror half of the images, and the other half in the next epoch: two epochs show both sides of each.

    Source: Jordan 2024, https://arxiv.org/abs/2404.00498. Without keys it is a fair `BatchMirror`.
    """

    def __init__(self, p: float = 1.0):
        super().__init__(p=p)

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {"mirrored": hit & (keys.coins() ^ bool(keys.epoch % 2))}


class BatchCutout(BatchTransform):
    """Blank a square that lies wholly inside the image.

    Args:
        side: pixels.
        fill: a value for all channels, or one for each, 0 to 255.
        p: probability for each image.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552.
    """

    class InitSchema(BaseTransformInitSchema):
        side: int = Field(ge=1)
        fill: int | tuple[int, ...]

    def __init__(self, side: int = 8, fill: int | tuple[int, ...] = 0, p: float = 1.0):
        super().__init__(p=p)
        self.side, self.fill = side, fill

    def draw(self, keys: Keys, hit: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The upper left corner of the square, and which images have one."""
        y, x = (keys.integers(i, shape[i - 1] - self.side + 1) for i in (1, 2))
        return {"hit": hit, "y": y, "x": x}

    def apply_to_images(
        self, images: np.ndarray, hit: np.ndarray, y: np.ndarray, x: np.ndarray, **params: Any
    ) -> np.ndarray:
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
