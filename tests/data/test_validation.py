"""`validation_source` and `validation_batches`: the images and batches to validate a trained model on."""

import pytest
import torch

from data import DataError, open_source, validation_source
from data.decoding.cache import Stats, load_stats
from data.validation import validation_batches
from tests.data.small_loaders import CPU, dls_of, settings_for

pytestmark = pytest.mark.usefixtures("home")
STATS = Stats((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


@pytest.fixture
def root(make_folder):
    return make_folder({"train/ant": 9, "train/bee": 8, "valid/bee": 7, "valid/ant": 6})


def test_it_is_the_validation_split_under_the_models_classes(root):
    source = validation_source(root, ["cat", "bee", "ant"])
    assert source.train == []
    assert source.valid == open_source(root).valid
    assert (source.classes, source.size) == (["cat", "bee", "ant"], 12)


def test_it_is_everything_where_there_is_no_split_and_one_class_will_do(make_folder):
    source = validation_source(make_folder({"ant": 9}), ["ant", "bee"])
    assert [item.label for item in source.valid] == ["ant"] * 9


def test_a_table_and_an_opened_source_will_do(root, tmp_path):
    rows = [f"pictures/valid/bee/00{i}.png,bee,test" for i in range(3)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    assert len(validation_source(tmp_path / "labels.csv", ["ant", "bee"]).valid) == 3
    opened = open_source(root)
    assert validation_source(opened, ["ant", "bee"]).valid == opened.valid


def test_a_class_that_the_model_lacks_is_named(root):
    with pytest.raises(DataError, match="the model has no class bee; its classes are ant, cat"):
        validation_source(root, ["ant", "cat"])


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_loaders_and_bare_batches_show_the_same(root, cache):
    source = validation_source(root, ["bee", "ant"])
    dls = dls_of(source, STATS, cache=cache, batch_size=4)
    bare = list(validation_batches(source, 12, STATS, 8, cache, CPU))
    assert [len(x) for x, _ in bare] == [8, 5]
    for (x, y), (x2, y2) in zip(dls.valid, bare, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)
    assert sorted(y.item() for _, ys in bare for y in ys) == [0] * 7 + [1] * 6
    assert len(dls.train_ds) == len(dls.valid_ds) == 13
    assert dls.settings == settings_for(source, cache=cache, batch_size=4)


def test_mean_and_deviation_never_come_from_validation_images(root):
    with pytest.raises(DataError, match="no training images to compute mean and deviation from"):
        load_stats(validation_source(root, ["ant", "bee"]), 12, None)
