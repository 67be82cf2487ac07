"""Images of an interpretation, with their heatmaps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from callbacks.gradcam.trust import Trust


@dataclass(frozen=True)
class Explained:
    """k images with a map each.

    Attributes:
        idxs: which of the interpretation's images they are.
        images: k×H×W×C, from 0 to 1.
        cams: k×H×W, evidence in logits.
        targets: the class that each map is for.
        trust: k, one for each map; None where it was not asked for.
    """

    idxs: list[int]
    images: np.ndarray
    cams: np.ndarray
    targets: list[int]
    trust: Sequence[Trust | None]

    def only(self, places: Sequence[int]) -> "Explained":
        """Those at the given places, from 0 to k-1."""
        places = list(places)
        idxs, targets = ([values[n] for n in places] for values in (self.idxs, self.targets))
        return Explained(idxs, self.images[places], self.cams[places], targets, [self.trust[n] for n in places])
