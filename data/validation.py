"""The validation images of a source as batches. Without fastai: what only evaluates need not wait for its import."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from data.cache import Cache, Stats, load_pixels
from data.decode import read_pixels
from data.floats import normalised
from data.sources import Source
from data.store import targets_of


def validation_batches(
    source: Source, size: int, stats: Stats, bs: int, cache: Cache, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of the validation loader of `image_dls`: images N×3×size×size and targets N, on `device`.

    Raises:
        DataError: an image that cannot be read, named.
    """
    files, n_train = source.valid_files, len(source.train_files)
    kept, targets = load_pixels(source, size, cache), torch.from_numpy(targets_of(files, source.classes))
    mean, std = (torch.tensor(values, device=device) for values in stats)
    for start in range(0, len(files), bs):
        some = slice(start, start + bs)
        if kept is None:
            pixels = np.stack([read_pixels(file.path, size) for file in files[some]])
        else:
            pixels = np.array(kept[n_train:][some])
        yield normalised(torch.from_numpy(pixels).to(device), mean, std), targets[some].to(device)
