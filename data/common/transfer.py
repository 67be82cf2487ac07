"""How arrays come to a device."""

import numpy as np
import torch
from torch import Tensor


def sent(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of `array` on `device`. To a GPU it travels while both sides go on; otherwise the GPU would run dry."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
