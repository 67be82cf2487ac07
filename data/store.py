"""The decoded images of one split, on the host and on a device."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.items import ImageItem

SHARE = 0.25  # of a GPU's free memory that the images may take


class Store:
    """Images and targets of one split, in the order of its dataset.

    Args:
        pixels: N×H×W×C, uint8.
        targets: N, int64.
    """

    def __init__(self, pixels: np.ndarray, targets: np.ndarray) -> None:
        self.pixels, self.targets = pixels, targets
        self._copies: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def fits(self, device: torch.device) -> bool:
        """Whether the images are on that device already, or its memory has room for them."""
        if device in self._copies or device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(device)
        return self.pixels.nbytes <= SHARE * free

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Pixels and targets on that device; they are copied on the first call."""
        if device not in self._copies:
            arrays = np.array(self.pixels), self.targets  # the pixels may be a file that is mapped read-only
            pixels, targets = (torch.from_numpy(array).to(device) for array in arrays)
            self._copies[device] = pixels, targets
        return self._copies[device]


def targets_of(images: Sequence[ImageItem], classes: Sequence[str]) -> np.ndarray:
    """The position of each image's label in `classes`: N, int64."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position[image.label] for image in images], np.int64)
