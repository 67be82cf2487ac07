import albumentations as A
import numpy as np
import pytest
from data.batched import augment

from data.common.errors import DataError
from data.keys import Keys
from data.transforms import BatchCrop, BatchCutout, BatchMirror

STOCK = A.Compose([A.Rotate(40, p=1), A.RandomBrightnessContrast(p=0.5), A.OneOf([A.Blur(p=1), A.VerticalFlip(p=1)])])
MIXED = A.Compose([BatchCrop(2), A.OneOf([BatchCutout(3), A.Sequential([A.Rotate(40, p=1), BatchMirror(p=1)])], p=1)])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 9, 11, 3), dtype=np.uint8)


def run(pipeline, images, samples, epoch=0):
    return augment(pipeline, images[samples], Keys.of(0, epoch, samples))


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
    results = augment(pipeline, same, Keys.of(0, 0, np.arange(40))).reshape(40, -1)
    assert len(np.unique(results, axis=0)) > 30


def test_a_pipeline_that_fires_sometimes_decides_for_every_image(images):
    pipeline = A.Compose([A.VerticalFlip(p=1)], p=0.5)
    fired = (run(pipeline, images, np.arange(40)) == images[:, ::-1]).all((1, 2, 3))
    assert 8 < fired.sum() < 32


def test_an_empty_pipeline_changes_nothing(images):
    np.testing.assert_array_equal(run(A.Compose([]), images, np.arange(40)), images)


@pytest.mark.parametrize("step", [A.Normalize(), A.ToTensorV2(), A.OneOf([A.Resize(5, 5), A.Resize(6, 6)], p=1)])
def test_a_step_that_the_loader_cannot_use_is_named(step, images):
    with pytest.raises(DataError, match=type(step).__name__):
        run(A.Compose([step]), images, np.arange(40))
