"""A record of the precision in which the forward pass of a run was computed."""

from collections.abc import Callable

import torch
from fastai.callback.core import Callback

PRECISION_NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16"}


def forward_precision(device: torch.device) -> str:
    """Return the precision in which matrix products on `device` are computed now: bf16, fp16 or fp32."""
    if not torch.is_autocast_enabled(device.type):
        return "fp32"
    return PRECISION_NAMES[torch.get_autocast_dtype(device.type)]


class PrecisionRecord(Callback):
    """Records the precision of the forward pass of the first training step.

    Args:
        save: function that is called once, with the precision.

    Attributes:
        precision: bf16, fp16 or fp32; None before the first step.
    """

    run_valid = False

    def __init__(self, save: Callable[[str], None] | None = None) -> None:
        self.save = save
        self.precision: str | None = None

    def after_pred(self) -> None:
        if self.precision is None:
            self.precision = forward_precision(self.xb[0].device)
            if self.save:
                self.save(self.precision)
