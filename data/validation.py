"""The validation images of a source as batches. Without fastai: what only evaluates need not wait for its import."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from data.cache import Stats, load_pixels
from data.floats import normalised
from data.opening import Source
from data.settings import Cache
from data.store import targets_of


def validation_batches(
    source: Source, size: int, stats: Stats, bs: int, cache: Cache, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of the validation loader of `image_dls`: images N×3×size×size and targets N, on `device`.

    Raises:
        DataError: an image that cannot be read, named.
    """
    images, n_train = source.valid, len(source.train)
    kept, targets = load_pixels(source, size, cache), torch.from_numpy(targets_of(images, source.classes))
    mean, std = (torch.tensor(values, device=device) for values in stats)
    for start in range(0, len(images), bs):
        some = slice(start, start + bs)
        if kept is None:
            pixels = np.stack([image.read(size) for image in images[some]])
        else:
            pixels = np.array(kept[n_train:][some])
        yield normalised(torch.from_numpy(pixels).to(device), mean, std), targets[some].to(device)
