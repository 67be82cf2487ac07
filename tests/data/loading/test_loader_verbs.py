"""Images and transforms equal those of plain `ImageDataLoaders`, and showing batches has no effect on the run."""

import copy

import matplotlib
import numpy as np
import pytest
import torch
from fastai.data.load import SkipItemException
from fastai.data.transforms import Normalize
from fastai.vision.augment import Flip, FlipItem, Resize
from fastai.vision.data import ImageDataLoaders
from fasttransform import Transform
from PIL import Image

from data.common.errors import DataError
from tests.data.small_loaders import dls_of

matplotlib.use("Agg")
pytestmark = pytest.mark.usefixtures("home")
COUNTS = {"train/a": 40, "train/b": 29, "valid/a": 9, "valid/b": 6}
CACHES = ["memory", "none"]  # decoded images are kept, or decoded in each epoch


@pytest.fixture
def root(make_folder):
    return make_folder(COUNTS)


def plain_dls(root, dls, **kwargs):
    """Returns `ImageDataLoaders` of fastai for the same images, with the same normalisation."""
    kwargs = {"item_tfms": Resize(12), "batch_tfms": [Normalize.from_stats(*dls.stats, cuda=False)], **kwargs}
    return ImageDataLoaders.from_folder(
        root, train="train", valid="valid", bs=dls.train.bs, val_bs=dls.valid.bs, num_workers=0, device="cpu", **kwargs
    )


def by_path(dl) -> dict:
    """Returns the input of the model for each file, independent of the order of the loader."""
    idxs = list(dl.get_idxs())
    same = dl.new(get_idxs=lambda: idxs, drop_last=False)
    images = torch.cat([x for x, *_ in same])
    return {str(getattr(dl.items[i], "path", dl.items[i])): x for i, x in zip(idxs, images, strict=True)}


def assert_same_images(ours, theirs):
    assert ours.keys() == theirs.keys()
    for path, image in ours.items():
        np.testing.assert_allclose(image.numpy(), theirs[path].numpy(), atol=1e-4)


@pytest.mark.parametrize("cache", CACHES)
def test_the_model_gets_what_plain_fastai_gives_it(root, cache):
    dls = dls_of(root, cache=cache, batch_size=16)
    assert_same_images(by_path(dls.valid), by_path(plain_dls(root, dls).valid))


@pytest.mark.parametrize("cache", CACHES)
def test_batch_transforms_of_fastai_are_applied_as_it_applies_them(root, cache):
    dls = dls_of(root, cache=cache, batch_size=16)
    plain = plain_dls(root, dls)
    dls.train.pipeline = ()
    for some in (dls, plain):
        some.add_tfms([Flip(p=1.0)], "after_batch", "train")
    assert_same_images(by_path(dls.train), by_path(plain.train))


@pytest.mark.parametrize("cache", CACHES)
def test_item_transforms_of_fastai_are_applied(root, cache):
    dls = dls_of(root, cache=cache, batch_size=16)
    dls.train.pipeline = ()
    before = by_path(dls.train)
    dls.add_tfms([FlipItem(p=1.0)], "after_item", "train")
    assert_same_images(by_path(dls.train), {path: image.flip(2) for path, image in before.items()})


@pytest.mark.parametrize("cache", CACHES)
def test_a_method_that_is_replaced_is_used(root, cache):
    dls = dls_of(root, cache=cache, batch_size=16)
    first = dls.valid.new(create_item=lambda i: dls.valid_ds[0]).one_batch()[0]
    assert torch.equal(first, first[:1].expand_as(first))


class SkipFirst(Transform):
    def encodes(self, x: Image.Image):
        if np.asarray(x)[0, 0, 0] < 128:
            raise SkipItemException
        return x


def test_items_that_a_transform_skips_are_left_out(root):
    dls = dls_of(root, batch_size=16)
    ours, theirs = (
        [y for _, batch in dl.new(bs=4, after_item=[SkipFirst(), *dl.after_item.fs]) for y in batch.tolist()]
        for dl in (dls.valid, plain_dls(root, dls).valid)
    )
    assert sorted(ours) == sorted(theirs)
    assert 0 < len(ours) < 15


class ToFloat(Transform):
    def encodes(self, x: torch.Tensor):
        return x.float() if x.ndim == 3 else x


def test_what_cannot_work_says_why(root):
    dls = dls_of(root, cache="memory", batch_size=16)
    floats = [*dls.train.after_item.fs, ToFloat()]
    cases = {
        "bs is None": lambda: dls.train.new(bs=None),
        "item transforms return float32": lambda: dls.train.new(after_item=floats).one_batch(),
        "test_dl takes a list": lambda: dls.test_dl(root / "valid" / "a" / "000.png"),
        "test_dl got an empty list": lambda: dls.test_dl([]),
        "ndarray: the item has no label": lambda: dls.test_dl([np.zeros((9, 9, 3), np.uint8)], with_labels=True),
        "'pictures' is not a class of the model; the classes are a, b": lambda: dls.test_dl(
            [root / "x"], with_labels=True
        ),
    }
    for message, call in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


# Showing images


def colours(image) -> set:
    return set(map(tuple, image.reshape(-1, 3).tolist()))


@pytest.mark.parametrize("cache", CACHES)
def test_show_batch_unique_shows_one_image_in_many_ways_and_changes_nothing(root, cache):
    dls, untouched = (dls_of(root, cache=cache, batch_size=16) for _ in range(2))
    dls.train.epoch = untouched.train.epoch = 3
    images, labels, _ = dls.show_batch(unique=True, max_n=6, show=False)
    assert len(torch.unique(images.flatten(1), dim=0)) > 3
    assert set(labels.tolist()) == {0}
    first, second = (colours(np.asarray(Image.open(item.path))) for item in dls.train_ds.items[:2])
    for image in (255 * images.permute(0, 2, 3, 1)).round().int().numpy():  # cropped, and a square is blanked
        assert len(colours(image) & first) > 50 > len(colours(image) & second)
    dls.show_batch(unique=True)
    for (x, _), (x2, _) in zip(dls.train, untouched.train, strict=True):
        assert torch.equal(x, x2)


def test_show_batch_unique_that_fails_leaves_the_loader_as_it_was(root):
    dls, untouched = (dls_of(root, batch_size=16) for _ in range(2))
    with pytest.raises(TypeError):
        dls.show_batch(unique=True, ctxs=3)
    for (x, _), (x2, _) in zip(dls.train, untouched.train, strict=True):
        assert torch.equal(x, x2)


@pytest.mark.parametrize("cache", CACHES)
def test_a_copy_in_fixed_order_shows_training_images_as_they_are(root, cache):
    dls = dls_of(root, cache=cache, batch_size=16)
    dls.train.epoch = 5
    looking = dls.train.new(shuffle=False, drop_last=False)
    again = looking.new(get_idxs=lambda: list(range(69)))  # as `get_preds` copies it once more
    files = torch.cat([x for (x,) in dls.test_dl(list(dls.source.train))])
    for dl in (looking, again):
        assert torch.equal(torch.cat([x for x, _ in dl]), files)
    assert dls.train.epoch == 5
    training = looking.new(shuffle=True)
    assert not torch.equal(torch.cat([x for x, _ in training]), files[list(training.get_idxs())])


def test_random_transforms_of_fastai_leave_a_copy_in_fixed_order_alone(root):
    dls = dls_of(root, batch_size=16)
    looking = dls.train.new(shuffle=False)
    before = by_path(looking)
    dls.add_tfms([Flip(p=1.0)], "after_batch", "train")
    assert_same_images(by_path(dls.train.new(shuffle=False)), before)


@pytest.mark.parametrize("cache", CACHES)
def test_iterations_that_overlap_do_not_disturb_each_other(root, cache):
    dls, alone = (dls_of(root, cache=cache, batch_size=16).train for _ in range(2))
    first, second = zip(*zip(dls, dls, strict=True), strict=True)
    for batches in (first, second):
        for (x, y), (x2, y2) in zip(batches, alone, strict=True):
            assert torch.equal(x, x2)
            assert torch.equal(y, y2)


@pytest.mark.parametrize("cache", CACHES)
def test_a_shallow_copy_has_an_order_of_its_own(root, cache):
    dl = dls_of(root, cache=cache, batch_size=16).train
    list(dl)
    other = copy.copy(dl)
    other.shuffle = False
    assert [y for _, batch in other for y in batch.tolist()] == [0] * 40 + [1] * 24
    assert dl.shuffle
