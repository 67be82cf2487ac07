"""Several processes share each batch: their parts are disjoint, and together they are the batch of one process."""

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.common.share import Share
from tests.data.small_loaders import dls_of


@given(st.lists(st.integers(), max_size=40), st.integers(1, 9))
def test_parts_are_disjoint_even_and_cover_the_batch(batch, count):
    shares = [Share(rank, count) for rank in range(count)]
    sizes = shares[0].sizes(len(batch))
    assert sum(sizes) == len(batch)
    assert max(sizes) - min(sizes) <= 1
    parts = [share.of(batch)[:n] for share, n in zip(shares, sizes, strict=True)]
    assert list(chain.from_iterable(parts)) == batch
    assert all(share.of(batch) for share in shares) or not batch  # no process is without an image


@pytest.mark.parametrize("settings", [{}, {"cache": "none"}, {"cache": "none", "workers": 2}])
def test_the_parts_of_two_loaders_are_the_batches_of_one(settings):
    whole = dls_of("digits", limit=70, size=8, **settings)
    parts = [dls_of("digits", limit=70, size=8, **settings) for _ in range(2)]
    for rank, dls in enumerate(parts):
        for loader in dls.loaders:
            loader.share = Share(rank, 2)
    for i, loader in enumerate(whole.loaders):  # training, with the last batch dropped; validation, with one of six
        batches = list(loader)
        assert [len(images) for images, _ in batches] == [loader.images_of(n) for n in range(len(batches))]
        halves = [list(dls.loaders[i]) for dls in parts]
        assert len(halves[0]) == len(halves[1]) == len(batches) == len(loader)
        for batch, *shared in zip(batches, *halves, strict=True):
            for n in range(2):  # images, targets
                assert torch.equal(torch.cat([half[n] for half in shared]), batch[n])


def test_a_copy_of_a_loader_gives_whole_batches():
    loader = dls_of("digits", limit=70, size=8).train
    loader.share = Share(1, 2)
    assert [len(images) for images, _ in loader] == [16, 16]
    assert [len(images) for images, _ in loader.new()] == [32, 32]
