"""The decoded images of one split, in main memory and on a device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.items import ImageItem

MAX_GPU_MEMORY_FRACTION = 0.25  # fraction of the free memory of a GPU that the images may take


class Store:
    """Holds the images and targets of one split, in the order of its dataset.

    Args:
        pixels: N×H×W×C, uint8.
        targets: N, int64.
    """

    def __init__(self, pixels: np.ndarray, targets: np.ndarray) -> None:
        self.pixels, self.targets = pixels, targets
        self._copies: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def fits(self, device: torch.device) -> bool:
        """Whether the device can hold the images. A GPU can if they take at most a quarter of its free memory."""
        if device in self._copies or device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(device)
        return self.pixels.nbytes <= MAX_GPU_MEMORY_FRACTION * free

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Returns pixels and targets on the device; the first call copies them."""
        if device not in self._copies:
            arrays = (
                np.array(self.pixels),
                self.targets,
            )  # a copy, because the pixels may be a read-only memory-mapped file
            pixels, targets = (torch.from_numpy(array).to(device) for array in arrays)
            self._copies[device] = pixels, targets
        return self._copies[device]


def targets_of(images: Sequence[ImageItem], classes: Sequence[str]) -> np.ndarray:
    """Returns the target of each image, which is the position of its label in `classes`: N, int64."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position[image.label] for image in images], np.int64)
