"""The private names of fastai that the data floor uses. tests/data/test_data_upstream.py fails when one changes."""

from collections.abc import Iterator
from typing import Any

from fastai.data.load import _loaders


def torch_batches(fake_loader: Any) -> Iterator[Any]:
    """The batches of torch's own iterator, with worker processes where `fake_loader.num_workers` asks for some.

    fastai's `DataLoader.__iter__` is the only public way to this iterator. It calls `randomize`, asks for the order of
    the images in every worker, and cannot begin within an epoch; `BatchDL` needs the iterator without these.

    Args:
        fake_loader: `fake_l` of a fastai `DataLoader`.
    """
    return _loaders[fake_loader.num_workers == 0](fake_loader)
