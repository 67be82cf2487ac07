"""`image_block` and `image_loaders`: items, splits, targets, exports and imports."""

import pickle
import subprocess
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.data.transforms import ToTensor
from PIL import Image

from data import DataError, ImageLoaders, image_block, image_loaders, open_source
from data.augmentation.pipelines import train_pipeline
from data.augmentation.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror
from data.loading.image_transforms import SquareTensor
from tests.conftest import ROOT
from tests.data.small_loaders import CPU, dls_of, settings_for

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def root(make_folder):
    return make_folder({"train/cat": 40, "train/dog": 30, "valid/dog": 8, "valid/cat": 9}, size=(32, 32))


def test_digits_are_ready_to_train_on():
    dls = dls_of("digits")
    x = dls.one_batch()[0]
    assert (dls.c, len(dls.train_ds), len(dls.valid_ds)) == (10, 1438, 359)
    assert x.shape == (dls.settings.batch_size, 3, 16, 16)
    assert (dls.settings.size, dls.settings.mirror, dls.settings.crop) == (16, "none", 1 / 16)
    assert not any(isinstance(t, BatchMirror) for t in dls.train.pipeline)
    assert dls.valid.bs == 2 * dls.train.bs


def test_targets_are_the_folders_names(root):
    dls = dls_of(root, batch_size=70)
    y = dls.one_batch()[1]
    items = [dls.source.train[i] for i in dls.train.get_idxs()]
    assert list(dls.vocab) == ["cat", "dog"]
    assert [dls.vocab[i] for i in y] == [item.path.parent.name for item in items]


def test_training_images_are_normalised_by_their_own_statistics(root):
    for path in (root / "valid").rglob("*.png"):
        Image.new("RGB", (32, 32), "white").save(path)
    dls = dls_of(root, batch_size=70, crop=0, cutout=0, mirror="none")
    x = dls.one_batch()[0].double()
    np.testing.assert_allclose(x.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std((0, 2, 3), correction=0), 1, atol=1e-6)
    shown = dls.train.decode((dls.one_batch()[0],))[0]
    kept = dls.train.store.pixels[dls.train.get_idxs()].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(shown, kept, atol=1e-6)


def test_the_settings_decide_the_pipeline(root):
    source = open_source(root)
    pipeline = train_pipeline(settings_for(source, crop=0.125, cutout=0.25, mirror="alternate"), fill=(1, 2, 3))
    assert [type(t) for t in pipeline] == [BatchCrop, BatchAlternatingMirror, BatchCutout]
    assert (pipeline[0].pad, pipeline[2].side, pipeline[2].fill) == (4, 8, (1, 2, 3))
    assert type(train_pipeline(settings_for(source, mirror="random"))[1]) is BatchMirror
    assert train_pipeline(settings_for(source, crop=0, cutout=0, mirror="none")) == []


def test_what_the_recipe_limits_reaches_the_loaders(root):
    dls = dls_of(root, limit=10, size=16)
    assert (len(dls.train_ds), len(dls.valid_ds)) == (10, 10)
    assert dls.one_batch()[0].shape[2:] == (16, 16)
    assert len(dls_of(root, holdout=20).valid_ds) == 20


def test_an_opened_source_is_used_as_it_is(root):
    source = open_source(root, limit=10)
    assert dls_of(source).source is source
    assert image_loaders(source, settings_for(source), device=CPU).settings == settings_for(source)


def test_weights_are_not_saved_into_the_data(root):
    assert not dls_of(root).path.resolve().is_relative_to(root)


def test_summary_walks_through_the_block(root, capsys):
    dls = dls_of(root)
    image_block(dls.source, dls.settings, dls.stats).summary(dls.source)
    told = capsys.readouterr().out
    assert "Found 87 items" in told
    assert "4x3x32x32" in told


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_show_batch_shows_augmented_images_with_their_names(root, name):
    dls = dls_of("digits" if name == "digits" else root)
    dls.show_batch(max_n=4)
    axes = [ax for ax in plt.gcf().axes if ax.images]
    plt.close("all")
    assert len(axes) == 4
    assert all(ax.get_title() in dls.vocab for ax in axes)
    fill = np.round(np.array(dls.stats.mean) * 255)
    for ax in axes:
        image = np.asarray(ax.images[0].get_array(), float) * 255
        assert image.shape == (dls.settings.size, dls.settings.size, 3)
        assert (abs(image - fill) < 0.6).all(2).sum() >= round(dls.settings.size / 4) ** 2  # the cutout


def test_errors_come_through(tmp_path):
    with pytest.raises(DataError):
        dls_of(tmp_path / "nowhere")


def test_importing_data_leaves_fastais_own_transform_alone():
    code = """
from fastai.data.transforms import ToTensor
from fastai.vision.core import PILImage
before = [str(m.signature) for m in ToTensor.encodes.methods]
import data.block, data.validation, data.augmentation.albumentations_adapter
assert [str(m.signature) for m in ToTensor.encodes.methods] == before, ToTensor.encodes.methods
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_fastais_own_transform_is_not_in_the_block(root):
    dls = dls_of(root)
    block = image_block(dls.source, dls.settings, dls.stats)
    for transforms in (block.item_tfms, block.new(item_tfms=[]).item_tfms, dls.train.after_item.fs):
        assert not [t for t in transforms if isinstance(t, ToTensor)]
        assert [t for t in transforms if isinstance(t, SquareTensor)]


def test_loaders_know_what_they_were_made_from_wherever_they_go(root):
    dls = dls_of(root, batch_size=16)
    empty = dls.new_empty()
    for moved in (dls.cpu(), dls.to(CPU), empty, pickle.loads(pickle.dumps(empty))):
        assert isinstance(moved, ImageLoaders)
        assert (moved.settings, moved.stats, moved.device) == (dls.settings, dls.stats, CPU)
        assert moved.source.fingerprint == dls.source.fingerprint
        assert list(moved.vocab) == dls.source.classes
    assert (empty.source.train, empty.source.valid, len(empty.train_ds)) == ([], [], 0)


def test_classes_keep_the_order_of_their_source(root):
    source = replace(open_source(root), classes=["dog", "cat"])
    dls = dls_of(source, batch_size=70)
    assert list(dls.vocab) == ["dog", "cat"]
    by_reading = dls_of(source, batch_size=70, cache="none")
    assert torch.equal(dls.one_batch()[1], by_reading.one_batch()[1])
    assert sum(dls.one_batch()[1]) == 40  # of 70: the cats
