"""A trained model from the bytes of its images to probabilities: what answers about images, and what is exported."""

import torch
from torch import Tensor, nn

from data.floats import normalised
from learners.model_files import SavedModel


class EndToEnd(nn.Module):
    """Normalisation as in training, the net, its temperature, and softmax.

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
        """Pixels N×H×W×3, uint8, as the net takes them: N×3×H×W, float32."""
        return normalised(pixels, self.mean, self.std)

    def forward(self, pixels: Tensor) -> Tensor:
        """The probabilities of the classes, N×C, float32, of pixels N×H×W×3, uint8."""
        return (self.net(self.images(pixels)).float() / self.temperature).softmax(1)
