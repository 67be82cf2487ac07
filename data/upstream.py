"""The private names of fastai that the data package uses; tests/data/test_data_upstream.py fails if one changes."""

from collections.abc import Iterator
from typing import Any

from fastai.data.load import _loaders


def torch_batches(fake_loader: Any) -> Iterator[Any]:
    """Returns torch's iterator over the batches of a fastai loader, with `fake_loader.num_workers` worker processes.

    The only public access to this iterator is fastai's `DataLoader.__iter__`. That method calls `randomize`, computes
    the order of the images in every worker and cannot start within an epoch, so `BatchDL` cannot use it.

    Args:
        fake_loader: the attribute `fake_l` of a fastai `DataLoader`.
    """
    return _loaders[fake_loader.num_workers == 0](fake_loader)
