"""Load the validation images of a source in batches without fastai, whose import would delay `evaluate`."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from data.decoding.cache import Stats, load_pixels
from data.loading.floats import normalised
from data.loading.store import targets_of
from data.opening import Source
from data.settings import Cache


def validation_batches(
    source: Source, size: int, stats: Stats, bs: int, cache: Cache, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of the validation loader of `image_dls`: images N×3×size×size and targets N, on `device`.

    Args:
        source: an opened source.
        size: side of the square images, in pixels.
        stats: mean and standard deviation for the normalisation.
        bs: number of images in a batch.
        cache: see `load_pixels`.
        device: device of the batches.

    Raises:
        DataError: an image cannot be read; the message names it.
    """
    images, n_train = source.valid, len(source.train)
    kept, targets = load_pixels(source, size, cache), torch.from_numpy(targets_of(images, source.classes))
    mean, std = (torch.tensor(values, device=device) for values in stats)
    for start in range(0, len(images), bs):
        batch = slice(start, start + bs)
        if kept is None:
            pixels = np.stack([image.read(size) for image in images[batch]])
        else:
            pixels = np.array(kept[n_train:][batch])
        yield normalised(torch.from_numpy(pixels).to(device), mean, std), targets[batch].to(device)
