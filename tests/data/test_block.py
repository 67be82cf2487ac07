import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from data import DataError, image_block, image_dls, open_source
from data.pipelines import train_pipeline
from data.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror
from learners import Recipe

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def root(make_folder):
    return make_folder({"train/cat": 40, "train/dog": 30, "valid/dog": 8, "valid/cat": 9}, size=(32, 32))


def test_digits_are_ready_to_train_on():
    dls = image_dls("digits", Recipe(data="digits", device="cpu"))
    x = dls.one_batch()[0]
    assert (dls.c, len(dls.train_ds), len(dls.valid_ds)) == (10, 1438, 359)
    assert x.shape == (dls.recipe.batch_size, 3, 16, 16)
    assert (dls.recipe.size, dls.recipe.mirror, dls.recipe.crop) == (16, "none", 1 / 16)
    assert not any(isinstance(t, BatchMirror) for t in dls.train.pipeline)
    assert dls.valid.bs == 2 * dls.train.bs


def test_targets_are_the_folders_names(root):
    dls = image_dls(root, Recipe(device="cpu", batch_size=70))
    y = dls.one_batch()[1]
    paths = [dls.source.train[i] for i in dls.train.get_idxs()]
    assert list(dls.vocab) == ["cat", "dog"]
    assert [dls.vocab[i] for i in y] == [p.parent.name for p in paths]


def test_training_images_are_normalised_by_their_own_statistics(root):
    for path in (root / "valid").rglob("*.png"):
        Image.new("RGB", (32, 32), "white").save(path)
    dls = image_dls(root, Recipe(device="cpu", batch_size=70, crop=0, cutout=0, mirror="none"))
    x = dls.one_batch()[0].double()
    np.testing.assert_allclose(x.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std((0, 2, 3), correction=0), 1, atol=1e-6)
    shown = dls.train.decode((dls.one_batch()[0],))[0]
    kept = dls.train.store.pixels[dls.train.get_idxs()].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(shown, kept, atol=1e-6)


def test_the_recipe_decides_the_pipeline():
    recipe = Recipe(size=32, crop=0.125, cutout=0.25, mirror="alternate")
    pipeline = train_pipeline(recipe, fill=(1, 2, 3))
    assert [type(t) for t in pipeline] == [BatchCrop, BatchAlternatingMirror, BatchCutout]
    assert (pipeline[0].pad, pipeline[2].side, pipeline[2].fill) == (4, 8, (1, 2, 3))
    random = train_pipeline(Recipe(size=32, mirror="random", crop=0.125, cutout=0.25))
    assert type(random[1]) is BatchMirror
    assert len(train_pipeline(Recipe(size=32, crop=0, cutout=0, mirror="none"))) == 0


def test_what_the_recipe_limits_reaches_the_loaders(root):
    dls = image_dls(root, Recipe(device="cpu", limit=10, size=16))
    assert (len(dls.train_ds), len(dls.valid_ds)) == (10, 10)
    assert dls.one_batch()[0].shape[2:] == (16, 16)
    assert len(image_dls(root, Recipe(device="cpu", holdout=20)).valid_ds) == 20


def test_an_opened_source_is_used_as_it_is(root):
    source = open_source(root, limit=10)
    assert image_dls(source, Recipe(device="cpu")).source is source


def test_weights_are_not_saved_into_the_data(root):
    assert not image_dls(root, Recipe(device="cpu")).path.resolve().is_relative_to(root)


def test_summary_walks_through_the_block(root, capsys):
    dls = image_dls(root, Recipe(device="cpu"))
    image_block(dls.source, dls.recipe, dls.stats).summary(dls.source)
    told = capsys.readouterr().out
    assert "Found 87 items" in told
    assert "4x3x32x32" in told


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_show_batch_shows_augmented_images_with_their_names(root, name):
    dls = image_dls("digits" if name == "digits" else root, Recipe(device="cpu"))
    dls.show_batch(max_n=4)
    axes = [ax for ax in plt.gcf().axes if ax.images]
    plt.close("all")
    assert len(axes) == 4
    assert all(ax.get_title() in dls.vocab for ax in axes)
    fill = np.round(np.array(dls.stats.mean) * 255)
    for ax in axes:
        image = np.asarray(ax.images[0].get_array(), float) * 255
        assert image.shape == (dls.recipe.size, dls.recipe.size, 3)
        assert (abs(image - fill) < 0.6).all(2).sum() >= round(dls.recipe.size / 4) ** 2  # the cutout


def test_errors_come_through(tmp_path):
    with pytest.raises(DataError):
        image_dls(tmp_path / "nowhere", Recipe())
