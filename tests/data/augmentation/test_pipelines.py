"""Pipelines that mix transforms of the project with those of Albumentations."""

import re
import subprocess
import sys

import albumentations as A
import numpy as np
import pytest

from data.augmentation.counter_rng import Keys
from data.augmentation.pipelines import augment, steps_of
from data.augmentation.transforms import BatchCrop, BatchCutout, BatchMirror
from data.common.errors import DataError
from tests.conftest import ROOT

STOCK = A.Compose([A.Rotate(40, p=1), A.RandomBrightnessContrast(p=0.5), A.OneOf([A.Blur(p=1), A.VerticalFlip(p=1)])])
MIXED = [BatchCrop(2), A.OneOf([A.Blur(p=1), A.Sequential([A.Rotate(40, p=1)])], p=1), BatchMirror(), BatchCutout(3)]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 9, 11, 3), dtype=np.uint8)


def run(pipeline, images, samples, epoch=0):
    return augment(steps_of(pipeline), images[samples], Keys.of(0, epoch, samples))


@pytest.mark.parametrize("pipeline", [STOCK, MIXED], ids=["stock", "mixed"])
def test_results_depend_on_the_sample_and_not_on_its_batch(pipeline, images):
    whole = run(pipeline, images, np.arange(40))
    order = np.random.default_rng(1).permutation(40)
    shuffled = np.concatenate([run(pipeline, images, part) for part in np.split(order, [7, 8, 30])])
    np.testing.assert_array_equal(shuffled, whole[order])
    assert (run(pipeline, images, np.arange(40), epoch=1) != whole).any()


@pytest.mark.parametrize("pipeline", [STOCK, MIXED], ids=["stock", "mixed"])
def test_every_image_has_parameters_of_its_own(pipeline, images):
    same = np.broadcast_to(images[0], images.shape)
    results = augment(steps_of(pipeline), same, Keys.of(0, 0, np.arange(40))).reshape(40, -1)
    assert len(np.unique(results, axis=0)) > 30


def test_a_pipeline_that_fires_sometimes_decides_for_every_image(images):
    pipeline = A.Compose([A.VerticalFlip(p=1)], p=0.5)
    fired = (run(pipeline, images, np.arange(40)) == images[:, ::-1]).all((1, 2, 3))
    assert 8 < fired.sum() < 32


@pytest.mark.parametrize("empty", [[], (), A.Compose([])])
def test_an_empty_pipeline_changes_nothing(empty, images):
    np.testing.assert_array_equal(run(empty, images, np.arange(40)), images)


def test_the_members_of_a_compose_that_stands_alone_draw_as_steps_of_a_list(images):
    steps = [A.HorizontalFlip(p=0.5), A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=0.5)]
    alone, listed = (run(pipeline, images, np.arange(40)) for pipeline in (A.Compose(steps), steps))
    np.testing.assert_array_equal(alone, listed)
    assert (run([A.Compose(steps)], images, np.arange(40)) != alone).any()  # within a list it is one step


def test_a_step_that_stands_alone_is_a_pipeline(images):
    for step in (BatchMirror(), A.VerticalFlip(p=0.5)):
        np.testing.assert_array_equal(run(step, images, np.arange(40)), run([step], images, np.arange(40)))


@pytest.mark.parametrize("wrong", [print, "flip", [BatchMirror(), 3]], ids=str)
def test_what_is_no_step_is_named(wrong):
    with pytest.raises(DataError, match="neither a BatchTransform nor an Albumentations transform"):
        steps_of(wrong)


def test_only_the_adapter_imports_albumentations():
    code = "import sys, data.loading.loader, data.block; assert 'albumentations' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    users = [p.name for p in (ROOT / "data").rglob("*.py") if re.search("^import albumentations", p.read_text(), re.M)]
    assert users == ["albumentations_adapter.py"]


@pytest.mark.parametrize("step", [A.Normalize(), A.ToTensorV2(), A.OneOf([A.Resize(5, 5), A.Resize(6, 6)], p=1)])
def test_a_step_that_the_loader_cannot_use_is_named(step, images):
    with pytest.raises(DataError, match=type(step).__name__):
        run(A.Compose([step]), images, np.arange(40))
