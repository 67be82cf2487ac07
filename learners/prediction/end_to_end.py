"""A trained model that maps pixels to probabilities, for predictions and for export."""

import torch
from torch import Tensor, nn

from data.loading.floats import normalised
from learners.run_directory.model_files import SavedModel


class EndToEnd(nn.Module):
    """A module that applies normalisation, the net, its temperature and softmax.

    Args:
        saved: the model of a run.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, saved: SavedModel) -> None:
        super().__init__()
        self.net, self.temperature = saved.model, saved.temperature
        self.register_buffer("mean", torch.tensor(saved.stats.mean))
        self.register_buffer("std", torch.tensor(saved.stats.std))

    def images(self, pixels: Tensor) -> Tensor:
        """Return the normalised images, N×3×H×W, float32, of pixels N×H×W×3, uint8."""
        return normalised(pixels, self.mean, self.std)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the probabilities of the classes, N×C, float32, of pixels N×H×W×3, uint8."""
        return (self.net(self.images(pixels)).float() / self.temperature).softmax(1)
