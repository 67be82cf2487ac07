"""Canaries of data/upstream.py: they fail when fastai changes a private name that the loader uses.

When one fails: read `DataLoader.__iter__` in fastai/data/load.py. It iterates over torch's own iterator for `fake_l`;
let `torch_batches` reach that iterator under its new name. Nothing else of the project knows it.
"""

import os

import fastai.data.load
import pytest
from fastai.data.load import DataLoader

from data.upstream import torch_batches


class OwnOrder(DataLoader):
    """A loader whose batches contain their first index and their process, made by the workers in turn."""

    def sample(self):
        return iter(range(2 * self.offs, 10, 2 * self.num_workers))

    def create_batches(self, samples):
        yield from ((first, os.getpid()) for first in samples)


def test_the_private_name_is_the_one_that_fastai_itself_iterates_with():
    assert "_loaders" in fastai.data.load.DataLoader.__iter__.__code__.co_names
    assert [kind.__name__ for kind in fastai.data.load._loaders] == [
        "_MultiProcessingDataLoaderIter",
        "_SingleProcessDataLoaderIter",
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_from_as_many_processes_as_asked_for(workers):
    numbers, processes = zip(*torch_batches(OwnOrder(range(10), bs=2, num_workers=workers).fake_l), strict=True)
    assert list(numbers) == [0, 2, 4, 6, 8]
    assert len(set(processes) - {os.getpid()}) == workers
