"""`BatchDL`: order, augmentation, workers, memory and fastai methods."""

import gc
import weakref

import albumentations as A
import numpy as np
import pytest
import torch
from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner, load_learner
from fastai.vision.core import PILImage
from PIL import Image
from scipy.stats import chi2_contingency
from torch import nn

from data import image_block
from data.common.errors import DataError
from data.decoding.reading import read_pixels
from tests.data.small_loaders import dls_of

pytestmark = pytest.mark.usefixtures("home")
COUNTS = {"train/a": 70, "train/b": 63, "valid/a": 20, "valid/b": 9}


class TinyNet(nn.Module):
    """Small enough to train in no time, and sensitive to every pixel."""

    def __init__(self, classes=2):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))


@pytest.fixture
def root(make_folder):
    return make_folder(COUNTS)


def learner_of(dls):
    torch.manual_seed(0)
    learn = Learner(dls, TinyNet(), path=dls.path)
    learn.remove_cb(ProgressCallback)
    return learn


def by_sample(dl, epoch):
    """Returns the image of each sample in one epoch, independent of the order."""
    dl.epoch = epoch
    images = torch.cat([x for x, _ in dl])
    order = dl.get_idxs()[: len(images)]
    return {i: image.numpy() for i, image in zip(order, images, strict=True)}


def assert_same_images(one, two):
    shared = one.keys() & two.keys()
    assert len(shared) > 80
    for i in shared:
        np.testing.assert_array_equal(one[i], two[i])


@pytest.mark.parametrize("workers", [1, 3])
def test_epoch_3_is_the_same_with_any_number_of_workers(root, workers):
    alone, helped = dls_of(root, cache="memory").train, dls_of(root, cache="none", workers=workers).train
    for _ in range(3):
        list(alone)
    helped.epoch = 3  # a loader that starts at this epoch
    for (x, y), (x2, y2) in zip(alone, helped, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)


def test_epoch_3_is_the_same_with_any_batch_size(root):
    small, large = (by_sample(dls_of(root, batch_size=bs).train, 3) for bs in (32, 100))
    assert_same_images(small, large)


def test_files_give_the_same_batches_as_the_cache(root):
    kept, read = dls_of(root, cache="memory"), dls_of(root, cache="none")
    assert kept.train.store is not None
    assert read.train.store is None
    for one, two in zip(kept, read, strict=True):
        for (x, y), (x2, y2) in zip(one, two, strict=True):
            assert torch.equal(x, x2)
            assert torch.equal(y, y2)


def test_every_epoch_and_seed_has_its_own_order_and_images(root):
    dl = dls_of(root).train
    orders, images = [], []
    for epoch in (0, 1):
        images.append(by_sample(dl, epoch))
        orders.append(list(images[-1]))
    assert orders[0] != orders[1]
    assert any((images[0][i] != images[1][i]).any() for i in images[0].keys() & images[1].keys())
    assert list(by_sample(dls_of(root, seed=1).train, 0)) != orders[0]


def test_the_order_is_a_permutation_without_pattern(root):
    dl = dls_of(root).train
    orders = []
    for epoch in range(3):
        dl.epoch = epoch
        next(iter(dl))
        orders.append(dl.get_idxs())
    assert all(sorted(order) == list(range(133)) for order in orders)
    assert all(sum(a == b for a, b in zip(orders[0], other, strict=True)) < 10 for other in orders[1:])


def test_an_epoch_resumes_at_a_batch(root):
    dl = dls_of(root).train
    whole = list(dl)
    dl.epoch, dl.start = 0, 2
    rest = list(dl)
    assert len(rest) == len(whole) - 2
    for (x, y), (x2, y2) in zip(whole[2:], rest, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)
    assert (dl.epoch, dl.start) == (1, 0)
    assert len(list(dl)) == len(whole)


def test_resuming_works_with_workers(root):
    alone, helped = dls_of(root).train, dls_of(root, cache="none", workers=2).train
    alone.start = helped.start = 1
    for (x, _), (x2, _) in zip(alone, helped, strict=True):
        assert torch.equal(x, x2)


def test_validation_shows_the_files_as_they_are(root):
    dls = dls_of(root, cache="memory")
    x, y = (torch.cat(parts) for parts in zip(*dls.valid, strict=True))
    files = np.stack([read_pixels(item.path, 12) for item in dls.source.valid]).astype(np.float64) / 255
    expected = ((files - dls.stats.mean) / dls.stats.std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(x.numpy(), expected, atol=2e-6)
    assert [dls.vocab[i] for i in y] == [item.label for item in dls.source.valid]


def test_bytes_cross_to_the_device_and_are_channels_last(root):
    dl = dls_of(root).train
    x, y = next(dl.create_batches(iter(range(32))))
    assert (x.dtype, y.dtype, x.shape) == (torch.uint8, torch.int64, (32, 3, 12, 12))
    for batch in (x, dl.one_batch()[0]):
        assert batch.is_contiguous(memory_format=torch.channels_last)
    assert dl.one_batch()[0].dtype == torch.float32


def test_worker_processes_are_for_reading_files(root):
    kept, read = (dls_of(root, cache=cache, workers=2) for cache in ("memory", "none"))
    assert [dl.fake_l.num_workers for dl in (*kept, *read)] == [0, 0, 2, 2]
    assert kept.test_dl(kept.source.valid).fake_l.num_workers == 2


@pytest.fixture
def no_collector():
    """No image waits for a garbage collection, which may be hundreds of batches later."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_batch_is_freed_when_it_is_let_go(root, no_collector):
    dl = dls_of(root, cache="memory").train
    batch = next(dl.create_batches(iter(range(32))))
    alive = weakref.ref(batch[0])
    dl.after_batch(batch)
    del batch
    assert alive() is None


def test_images_read_from_files_are_freed_when_their_batch_is_made(root, no_collector):
    dl = dls_of(root, cache="none").train
    next(dl.create_batches(iter(range(32))))
    before = images_alive()
    next(dl.create_batches(iter(range(32))))
    assert images_alive() == before


def images_alive() -> int:
    return sum(isinstance(o, PILImage) for o in gc.get_objects())


def test_sizes_at_the_edge(root):
    dls = dls_of(root, cache="memory")
    assert [len(x) for x, _ in dls.train] == [32] * 4  # 133 images: the last 5 are dropped
    assert [len(x) for x, _ in dls.train.new(drop_last=False)] == [32] * 4 + [5]
    assert [len(x) for x, _ in dls.valid.new(bs=28)] == [28, 1]
    assert [len(x) for x, _ in dls.train.new(n=7, drop_last=False)] == [7]
    assert dls_of(root, batch_size=500).train.bs == 133


def test_a_copy_carries_its_arguments_and_leaves_pixels_behind(root):
    dls = dls_of(root, cache="memory")
    same, other = dls.train.new(), dls.train.new(dls.valid_ds)
    assert same.store is dls.train.store
    assert (same.pipeline, same.seed) == (dls.train.pipeline, dls.train.seed)
    assert other.store is None
    dls.train.epoch = 4
    assert (same.epoch, other.epoch) == (4, 0)


def test_items_of_every_kind_give_the_same_batch(root):
    dls = dls_of(root, cache="memory")
    paths = [item.path for item in dls.source.valid[:3]]
    expected = dls.valid.one_batch()[0][:3]
    kinds = {
        "items": dls.source.valid[:3],
        "paths": paths,
        "strings": [str(p) for p in paths],
        "fastai images": [PILImage.create(p) for p in paths],
        "images": [Image.open(p) for p in paths],
        "bytes": [p.read_bytes() for p in paths],
        "arrays": [np.asarray(Image.open(p)) for p in paths],
    }
    for kind, items in kinds.items():
        (x,) = dls.test_dl(items).one_batch()
        assert torch.equal(x, expected), kind
    for items in (paths, dls.source.valid[:3]):
        x, y = dls.test_dl(items, with_labels=True).one_batch()
        assert torch.equal(x, expected)
        assert [dls.vocab[i] for i in y] == [p.parent.name for p in paths]


def test_a_bad_file_is_named_from_a_worker_too(root):
    every = [dls_of(root, cache="none", workers=workers) for workers in (0, 2)]
    (root / "train" / "b" / "002.png").write_bytes(b"no image")
    for dls in every:
        with pytest.raises(DataError, match=r"^/.*b/002\.png: not a readable image") as caught:
            list(dls.train.new(drop_last=False))
        assert "\n" not in str(caught.value)


def test_predict_agrees_with_get_preds(root):
    dls = dls_of(root, cache="memory")
    learn = learner_of(dls)
    learn.fit(1, 1e-3)
    preds, targets = learn.get_preds()
    assert preds.shape == (29, 2)
    name, index, probabilities = learn.predict(dls.source.valid[4].path)
    torch.testing.assert_close(probabilities, preds[4])
    assert name == dls.vocab[int(index)]
    assert len(learn.get_preds(ds_idx=0)[0]) == 133
    assert torch.equal(targets, torch.cat([y for _, y in dls.valid]))


def test_predictions_on_training_images_come_in_their_order(root):
    dls = dls_of(root, cache="memory")
    targets = learner_of(dls).get_preds(dl=dls.train)[1]
    assert [dls.vocab[i] for i in targets] == [item.label for item in dls.source.train]


def test_every_pass_of_tta_draws_afresh(root):
    dls = dls_of(root, cache="memory")
    learn = learner_of(dls)
    once, twice = learn.tta(n=1, beta=0)[0], learn.tta(n=2, beta=0)[0]
    plain = learn.get_preds()[0]
    assert not torch.equal(once, plain)
    assert not torch.equal(twice, once)
    assert torch.equal(learn.tta(n=1, beta=1)[0], plain)  # beta 1 is the pass without augmentation alone


def test_an_export_carries_no_pixels(make_folder, tmp_path):
    sizes = []
    for count in (20, 200):
        dls = dls_of(make_folder({"a": count, "b": count}, name=f"of_{count}"), cache="memory")
        learn = learner_of(dls)
        learn.export(tmp_path / f"{count}.pkl")
        sizes.append((tmp_path / f"{count}.pkl").stat().st_size)
    assert (sizes[1] - sizes[0]) / 360 < 20  # bytes per image, for the splits of fastai; the pixels would be 432
    again = load_learner(tmp_path / "200.pkl")
    again.remove_cb(ProgressCallback)
    path = dls.source.valid[0].path
    torch.testing.assert_close(again.predict(path)[2], learn.predict(path)[2])


def test_the_block_alone_gives_the_same_loaders(root):
    dls = dls_of(root)
    block = image_block(dls.source, dls.settings, dls.stats)
    plain = block.dataloaders(dls.source, bs=32, num_workers=0, device="cpu")
    for (x, y), (x2, y2) in zip(dls.train, plain.train, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)


def test_a_pipeline_edited_by_hand_is_used(root):
    dls = dls_of(root)
    dls.train.pipeline = A.Compose([A.VerticalFlip(p=1)])
    x = next(iter(dls.train))[0]
    order = dls.train.get_idxs()[:32]
    plain = dls.test_dl([dls.source.train[i] for i in order], bs=32).one_batch()[0]
    assert torch.equal(x, plain.flip(2))
    assert len(dls.train.pipeline) == 1


# A common error in loaders, added here to show that the statistical tests detect it.


class PlainDataset(torch.utils.data.Dataset):
    """A common way to use `A.Compose`: on each item of a dataset."""

    def __init__(self):
        self.transform = A.Compose([A.HorizontalFlip(p=0.5)])

    def __len__(self):
        return 1600

    def __getitem__(self, i):
        return bool(self.transform(image=np.array([[0, 1]], np.uint8))["image"][0, 0])


def p_of_pairs(flips, epoch_apart):
    """Returns p-values for the independence of N flips between two workers, with batches of 8, and two epochs."""
    if epoch_apart:
        one, two = flips[0], flips[1]
    else:
        one, two = (flips[0].reshape(-1, 2, 8)[:, w].ravel() for w in (0, 1))
    table = np.zeros((2, 2))
    np.add.at(table, (one.astype(int), two.astype(int)), 1)
    return chi2_contingency(table).pvalue


def test_planted_workers_that_repeat_themselves_are_caught():
    loader = torch.utils.data.DataLoader(PlainDataset(), batch_size=8, num_workers=2)
    flips = [torch.cat(list(loader)).numpy() for _ in range(2)]
    assert p_of_pairs(flips, epoch_apart=False) < 1e-4
    assert p_of_pairs(flips, epoch_apart=True) < 1e-4


def test_our_workers_do_not_repeat_themselves(make_folder):
    root = make_folder({"train/a": 1000, "train/b": 600, "valid/a": 1}, size=(8, 8))
    for path in (root / "train").rglob("*.png"):
        Image.fromarray(np.tile(np.arange(8, dtype=np.uint8) * 30, (8, 1))).save(path)
    dls = dls_of(root, batch_size=8, workers=2, cache="none", mirror="random", crop=0, cutout=0)
    flips = [torch.cat([x[:, 0, 0, 0] > x[:, 0, 0, -1] for x, _ in dls.train]).numpy() for _ in range(2)]
    assert p_of_pairs(flips, epoch_apart=False) > 1e-4
    assert p_of_pairs(flips, epoch_apart=True) > 1e-4
