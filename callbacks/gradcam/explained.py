"""Images of an interpretation with their heatmaps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from callbacks.gradcam.trust import Trust


@dataclass(frozen=True)
class Explained:
    """k images with one heatmap each.

    Attributes:
        idxs: indices of the images in the interpretation, k.
        images: pixels from 0 to 1, k×H×W×C.
        cams: heatmaps in logits, k×H×W.
        targets: class that each heatmap explains, k.
        trust: test result of each heatmap, k; None if it was not tested.
    """

    idxs: list[int]
    images: np.ndarray
    cams: np.ndarray
    targets: list[int]
    trust: Sequence[Trust | None]

    def only(self, positions: Sequence[int]) -> "Explained":
        """Return the images at the given positions, from 0 to k-1."""
        positions = list(positions)
        idxs, targets = ([values[n] for n in positions] for values in (self.idxs, self.targets))
        trust = [self.trust[n] for n in positions]
        return Explained(idxs, self.images[positions], self.cams[positions], targets, trust)
