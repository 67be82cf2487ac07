"""Augmentation in torch returns the same bytes as in NumPy, and batches on a device equal those on a CPU."""

import albumentations as A
import numpy as np
import pytest
import torch

from data.augmentation.counter_rng import Keys
from data.augmentation.pipelines import augment, augment_tensor, runs_on_device, steps_of
from data.augmentation.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror
from data.loading import loader
from data.loading.store import Store
from tests.data.small_loaders import dls_of as loaders_of

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
PIPELINES = {
    "the default": [BatchCrop(4), BatchAlternatingMirror(), BatchCutout(8, (120, 110, 90))],
    "two mirrors": [BatchMirror(), BatchMirror(0.3)],
    "some images": [BatchCrop(3, p=0.5), BatchCutout(3, p=0.4)],
    "a constant border": [BatchCrop(5, border="constant", fill=77)],
    "a border beyond the image": [BatchCrop(20)],
    "a square as large as the image": [BatchCutout(9, fill=(1, 2, 3))],
    "nothing": [],
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PIPELINES)
def test_the_bytes_are_those_of_numpy(name, channels, device):
    steps = [BatchCutout(s.side, 7) if channels == 1 and isinstance(s, BatchCutout) else s for s in PIPELINES[name]]
    pipeline, size = steps, (9, 11) if "large" not in name else (9, 9)
    images = np.random.default_rng(0).integers(0, 256, (64, *size, channels), dtype=np.uint8)
    assert runs_on_device(pipeline)
    for epoch in (0, 1):
        keys = Keys.of(3, epoch, np.arange(64))
        ours = augment_tensor(pipeline, torch.from_numpy(images).to(device), keys)
        np.testing.assert_array_equal(ours.cpu().numpy(), augment(pipeline, images, keys))


@pytest.mark.parametrize(
    "pipeline",
    [
        A.Compose([A.HorizontalFlip()]),
        [BatchCrop(2), A.OneOf([A.HorizontalFlip()])],
        A.Compose([A.HorizontalFlip()], p=0.5),
        [type("Own", (BatchMirror,), {"apply_to_tensor": None})()],
    ],
    ids=["a stock transform", "a container", "a pipeline that fires sometimes", "numpy alone"],
)
def test_what_torch_cannot_do_is_left_to_numpy(pipeline):
    assert not runs_on_device(steps_of(pipeline))


@pytest.fixture
def root(make_folder, home):
    return make_folder({"train/a": 70, "train/b": 63, "valid/a": 20, "valid/b": 9})


def dls_of(root, **settings):
    return loaders_of(root, **{"batch_size": 16, "cache": "memory", **settings})


@pytest.fixture
def as_device(monkeypatch):
    """Treat the CPU as a device that keeps the images in its memory."""

    def switch(chunk=loader.DEVICE_CHUNK_BYTES):
        monkeypatch.setattr(loader, "HOST_DEVICE_TYPES", ())
        monkeypatch.setattr(loader, "DEVICE_CHUNK_BYTES", chunk)

    return switch


def batches(dl):
    return [(x.clone(), y.clone()) for x, y in dl]


def assert_same(one, two):
    assert len(one) == len(two) > 0
    for (x, y), (x2, y2) in zip(one, two, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)


@pytest.mark.parametrize("chunk", [1, 40_000, 2**25], ids=["a batch", "some batches", "all"])
def test_a_loader_on_a_device_gives_the_batches_of_a_cpu(root, as_device, monkeypatch, chunk):
    monkeypatch.setattr(loader, "HOST_CHUNK_BYTES", 1)
    here = dls_of(root)
    expected = [batches(here.train), batches(here.train), batches(here.valid)]
    as_device(chunk)
    there = dls_of(root)
    assert there.train._is_on_device()
    for ours, theirs in zip((there.train, there.train, there.valid), expected, strict=True):
        assert_same(batches(ours), theirs)
    there.train.epoch, there.train.start = 1, 5
    assert_same(batches(there.train), expected[1][5:])
    rest = there.train.new(drop_last=False)
    assert [len(x) for x, _ in rest] == [16] * 8 + [5]


def test_a_stock_transform_runs_in_worker_processes(root, as_device):
    here = dls_of(root)
    here.train.pipeline = [BatchCrop(2), A.Rotate(30, p=1)]
    expected = batches(here.train)
    as_device()
    there = dls_of(root)
    there.train.pipeline = here.train.pipeline
    assert not there.train._is_on_device()
    assert there.valid._is_on_device()
    assert_same(batches(there.train), expected)
    assert there.train.fake_l.num_workers >= 1
    there.train.epoch = 0
    assert torch.equal(there.train.one_batch()[0], expected[0][0])


def test_a_stock_transform_on_a_cpu_runs_in_this_process(root):
    dls = dls_of(root)
    dls.train.pipeline = A.Compose([A.Rotate(30, p=1)])
    batches(dls.train)
    assert dls.train.fake_l.num_workers == 0


def test_images_that_do_not_fit_stay_here(root, as_device, monkeypatch):
    expected = batches(dls_of(root).train)
    as_device()
    monkeypatch.setattr(Store, "fits", lambda self, device: False)
    there = dls_of(root, workers=2)
    assert not there.train._is_on_device()
    assert_same(batches(there.train), expected)
    assert there.train.fake_l.num_workers == 2


def test_images_are_copied_once_for_all_loaders(root, as_device):
    as_device()
    dls = dls_of(root)
    batches(dls.train)
    kept = dls.train.store.on(torch.device("cpu"))
    batches(dls.train.new(shuffle=False))
    assert dls.train.store.on(torch.device("cpu")) is kept
