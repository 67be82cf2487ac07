"""Dataset objects as sources: those of torchvision, arrays and tensors; an error names the item."""

import numpy as np
import pytest
import torch
from fastai.learner import Learner
from PIL import Image
from torch import nn
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms.functional import pil_to_tensor, to_tensor

from data import DataError, open_source
from data.decoding.cache import load_pixels
from tests.data.small_loaders import dls_of

pytestmark = pytest.mark.usefixtures("home")
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 12, 10, 3), dtype=np.uint8)


class Named(list):
    """A dataset of pairs of an image and a class number, with class names that are not in alphabetical order."""

    classes = ("zebra", "ant")


def dataset(convert=Image.fromarray, count=20, kind=Named):
    return kind((convert(pixels), i % 2) for i, pixels in enumerate(PIXELS[:count]))


def test_a_torchvision_dataset_is_a_source(make_folder):
    root = make_folder({"ant": 20, "bee": 10})
    source, files = open_source(ImageFolder(root)), open_source(root)
    assert (source.name, source.classes, source.size) == ("ImageFolder", ["ant", "bee"], 12)
    assert (len(source.train), len(source.valid)) == (24, 6)
    assert [item.label for item in source.valid] == [item.label for item in files.valid]
    np.testing.assert_array_equal(load_pixels(source, 12), load_pixels(files, 12))


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_loaders_and_fastais_verbs_work_on_it(cache, tmp_path, home):
    dls = dls_of((FakeData(40, (3, 12, 12), 4), FakeData(9, (3, 12, 12), 4)), cache=cache, batch_size=8)
    x, y = dls.one_batch()
    assert (x.shape, list(dls.vocab)) == ((8, 3, 12, 12), ["0", "1", "2", "3"])
    assert [dls.vocab[i] for i in y] == [dls.source.train[i].label for i in dls.train.get_idxs()[:8]]
    learn = Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(432, 4)), loss_func=nn.CrossEntropyLoss(), path=tmp_path)
    preds, targets = learn.get_preds()
    assert [dls.vocab[i] for i in targets] == [item.label for item in dls.source.valid]
    torch.testing.assert_close(learn.predict(dls.source.valid[2])[2], preds[2])
    learn.export(tmp_path / "export.pkl")
    assert not (home / "decoded").exists()  # a cached file could not be recognised as outdated


def test_batches_from_memory_and_from_the_dataset_are_the_same():
    kept, read = (dls_of(dataset(), cache=cache, batch_size=8) for cache in ("memory", "none"))
    assert read.train.store is None
    assert kept.stats == read.stats
    for (x, y), (x2, y2) in zip(kept.train, read.train, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)


def test_targets_are_the_datasets_own_numbers():
    source = open_source(dataset())
    assert source.classes == ["zebra", "ant"]
    eleven = [(Image.fromarray(PIXELS[0]), i) for i in range(11) for _ in range(2)]
    assert open_source(eleven).classes == [str(i) for i in range(11)]
    dls = dls_of((dataset(), dataset(count=6)))
    assert torch.cat([y for _, y in dls.valid]).tolist() == [0, 1] * 3


KINDS = {
    "arrays": np.asarray,
    "float arrays": lambda pixels: (pixels / 255).astype(np.float32),
    "tensors": lambda pixels: pil_to_tensor(Image.fromarray(pixels)),
    "float tensors": lambda pixels: to_tensor(Image.fromarray(pixels)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_kind_are_the_same_images(kind):
    source, expected = open_source(dataset(KINDS[kind])), open_source(dataset())
    assert source.fingerprint == expected.fingerprint
    np.testing.assert_array_equal(load_pixels(source, 10), load_pixels(expected, 10))


@pytest.mark.parametrize("grey", [PIXELS[0, ..., 0], PIXELS[0, ..., :1], torch.from_numpy(PIXELS[0, ..., 0])[None]])
def test_grey_images_become_rgb(grey):
    source = open_source([(grey, i % 2) for i in range(10)])
    pixels = np.asarray(source.train[0].open())
    np.testing.assert_array_equal(pixels, np.repeat(PIXELS[0, ..., :1], 3, 2))


def test_the_fingerprint_sees_pixels_and_labels():
    prints = {open_source(dataset()).fingerprint}
    changed = dataset()
    changed[-1] = (Image.fromarray(PIXELS[0]), 1)
    prints.add(open_source(changed).fingerprint)
    prints.add(open_source(Named((image, 1 - label) for image, label in dataset())).fingerprint)
    assert len(prints) == 3
    assert open_source(dataset()).fingerprint in prints


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (3, "neither a path nor a dataset"),
        ([(Image.fromarray(PIXELS[0]), "ant")], "item 0 of list: not a pair of an image and a class number"),
        ([5], "item 0 of list: not a pair"),
        ([(PIXELS[0], 0), (PIXELS[0] / 99, 1)], "item 1 of list: the image has shape (12, 10, 3) and type float64"),
        ([(PIXELS[0], -1)], "item 0 of list: class number -1"),
        (Named([(PIXELS[0], 2)]), "item 0 of Named: class number 2 must be from 0 to 1"),
        (dataset(count=1), "Named: only one class (zebra)"),
        (Named(), "Named: no images to train on"),
        (([(PIXELS[0], 0), (PIXELS[0], 1)], [(PIXELS[0], 2)]), "the class 2, which no training image has"),
        (type("Twice", (Named,), {"classes": ["a", "a"]})(dataset()), "two of its `classes` have the same name"),
    ],
)
def test_what_is_wrong_is_named(wrong, words):
    with pytest.raises(DataError) as caught:
        open_source(wrong)
    assert words in str(caught.value)
