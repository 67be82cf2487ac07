"""Copy arrays to a device."""

import numpy as np
import torch
from torch import Tensor


def copy_to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Returns a copy of `array` on `device`.

    A copy to a GPU is asynchronous: waiting for it would leave the GPU without work.
    """
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
