"""The batch transforms: reference results, and the distribution and independence of their random parameters."""

from itertools import combinations

import albumentations as A
import cv2
import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from data.augmentation.counter_rng import Keys
from data.augmentation.pipelines import augment, steps_of
from data.augmentation.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror

N = 50_000
UNLIKELY = 1e-4  # the p-value below which a test of chance fails; the draws are fixed, so it fails always or never
SHAPES = [(6, 9, 7, 3), (5, 8, 8, 1), (4, 11, 13), (1, 32, 32, 3)]  # odd sizes, RGB and grey, a batch of one
EVERY = [
    BatchCrop(2),
    BatchCrop(3, "constant", fill=9),
    BatchMirror(),
    BatchAlternatingMirror(),
    BatchCutout(3, 7),
]


def images_of(shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def keys_of(n, epoch=0, seed=0):
    return Keys.of(seed, epoch, np.arange(n))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("border", ["reflect", "constant"])
def test_crop_equals_the_stock_transforms(shape, border):
    images, rng = images_of(shape), np.random.default_rng(2)
    n, h, w = shape[:3]
    y, x = rng.integers(0, 9, (2, n))
    got = BatchCrop(4, border, fill=50).apply_to_images(images, y=y, x=x)
    mode = cv2.BORDER_REFLECT_101 if border == "reflect" else cv2.BORDER_CONSTANT
    pad = A.Pad(4, fill=50, border_mode=mode, p=1)
    for image, result, top, left in zip(images, got, y, x, strict=True):
        stock = A.Compose([pad, A.Crop(left, top, left + w, top + h, p=1)])
        np.testing.assert_array_equal(result, stock(image=image)["image"])


@pytest.mark.parametrize("shape", SHAPES)
def test_mirror_equals_the_stock_transform(shape):
    images = images_of(shape)
    mirrored = np.arange(shape[0]) % 2 == 0
    got = BatchMirror().apply_to_images(images, mirrored=mirrored)
    for image, result, selected in zip(images, got, mirrored, strict=True):
        np.testing.assert_array_equal(result, A.HorizontalFlip(p=float(selected))(image=image)["image"])


@pytest.mark.parametrize("shape", SHAPES)
def test_cutout_equals_the_stock_transform(shape):
    images, rng = images_of(shape), np.random.default_rng(2)
    y, x = rng.integers(0, 5, (2, shape[0]))
    fill = (10, 20, 30) if shape[-1] == 3 else 40
    got = BatchCutout(3, fill).apply_to_images(images, selected=np.ones(shape[0], bool), y=y, x=x)
    stock = A.CoarseDropout(fill=fill)
    for image, result, top, left in zip(images, got, y, x, strict=True):
        hole = np.array([[left, top, left + 3, top + 3]])
        np.testing.assert_array_equal(result, stock.apply(image, holes=hole, seed=0))


@pytest.mark.parametrize("transform", EVERY, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_gets_the_same_alone_and_in_its_batch(transform, shape):
    images, keys = images_of(shape), keys_of(shape[0])
    alone = transform(images[:1], Keys(keys.samples[:1], keys.epoch))
    np.testing.assert_array_equal(alone, transform(images, keys)[:1])
    assert alone.shape == images[:1].shape
    assert alone.dtype == np.uint8


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_the_given_images_are_left_alone(transform):
    images = images_of((50, 8, 8, 3))
    before = images.copy()
    transform(images, keys_of(50))
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("transform", EVERY, ids=repr)
def test_a_seed_stands_for_keys(transform):
    images = np.broadcast_to(images_of((8, 8, 3)), (100, 8, 8, 3))
    results = transform(images, 5)
    np.testing.assert_array_equal(results, transform(images, keys_of(100, seed=5)))
    assert (results != transform(images, 6)).any()
    assert len(np.unique(results.reshape(100, -1), axis=0)) > 1
    np.testing.assert_array_equal(transform(images), transform(images, 0))


def test_a_transform_prints_as_it_was_made():
    assert repr(BatchCrop(2)) == "BatchCrop(p=1.0, pad=2, border='reflect', fill=0)"
    assert repr(BatchMirror(0.3)) == "BatchMirror(p=0.3)"


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (BatchCrop, {"pad": -1}),
        (BatchCrop, {"border": "wrap"}),
        (BatchCrop, {"fill": 256}),
        (BatchMirror, {"p": 1.1}),
        (BatchCutout, {"side": 0}),
        (BatchCutout, {"fill": (0, 0, 300)}),
    ],
)
def test_bad_settings_are_refused(make, settings):
    with pytest.raises(ValueError, match=f"{make.__name__}: {next(iter(settings))} must be"):
        make(**settings)


# The random parameters, measured on the images that the whole pipeline returns.

WHOLE = [BatchCrop(1, "constant"), BatchMirror(), BatchCutout(2, (0, 0, 200))]


def drawn(pipeline=WHOLE, epoch=0, seed=0, first=0):
    """Returns crop offset, mirroring and cutout corner of 50,000 images of 8×8, N values each."""
    row, column = np.mgrid[1:9, 1:9].astype(np.uint8)
    images = np.broadcast_to(np.stack([row, column, 0 * row], -1), (N, 8, 8, 3))
    out = augment(pipeline, images, Keys.of(seed, epoch, np.arange(first, first + N))).astype(np.int16)
    hole, seen = out[..., 2] == 200, out[..., 0] > 0  # N×8×8: blanked; neither blanked nor beyond the border
    steps = np.where(seen[..., 1:] & seen[..., :-1], np.diff(out[..., 1], axis=2), 0)
    mirrored = steps.sum((1, 2)) < 0
    unmirrored = np.where(mirrored[:, None, None], out[..., ::-1, 1], out[..., 1])
    seen_there = np.where(mirrored[:, None, None], seen[..., ::-1], seen)
    corner = hole.reshape(N, -1).argmax(1)
    return {
        "y": np.where(seen, out[..., 0] - row, -9).max((1, 2)) + 1,
        "x": np.where(seen_there, unmirrored - column, -9).max((1, 2)) + 1,
        "mirrored": mirrored,
        "top": corner // 8,
        "left": corner % 8,
        "hole": hole.any((1, 2)),
    }


def p_independent(a, b):
    """Returns the p-value of a test that two random parameters are independent."""
    a, b = (np.unique(v, return_inverse=True)[1] for v in (a, b))
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    return chi2_contingency(table).pvalue


@pytest.mark.parametrize(("name", "count"), [("y", 3), ("x", 3), ("top", 7), ("left", 7)])
def test_offsets_and_corners_are_uniform(name, count):
    values = drawn()[name]
    assert set(values) == set(range(count))
    assert chisquare(np.bincount(values)).pvalue > UNLIKELY


def test_all_draws_of_a_pipeline_are_independent():
    got = drawn()
    pairs = list(combinations(("y", "x", "mirrored", "top", "left"), 2))
    p_values = {pair: p_independent(got[pair[0]], got[pair[1]]) for pair in pairs}
    assert min(p_values.values()) > UNLIKELY, p_values


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}, {"first": 1}], ids=str)
def test_epochs_seeds_and_neighbours_draw_independently(other):
    here, there = drawn(), drawn(**other)
    p_values = {name: p_independent(here[name], there[name]) for name in ("y", "x", "mirrored", "top", "left")}
    assert min(p_values.values()) > UNLIKELY, p_values


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_the_rates_are_those_asked_for(p):
    steps = [BatchCrop(1, "constant", p=p), BatchMirror(p=p), BatchCutout(2, (0, 0, 200), p=p)]
    got, spread = drawn(steps), 4 * (p * (1 - p) / N) ** 0.5
    assert abs(got["mirrored"].mean() - p) <= spread
    assert abs(got["hole"].mean() - p) <= spread
    moved = (got["y"] != 1) | (got["x"] != 1)  # one of the nine offsets leaves the image in place
    assert abs(moved.mean() - p * 8 / 9) <= 4 * 0.5 / N**0.5


def test_the_same_step_twice_draws_twice():
    """If both mirrors were always applied together, they would cancel each other."""
    assert abs(drawn([BatchMirror(), BatchMirror()])["mirrored"].mean() - 0.5) < 4 * 0.5 / N**0.5


def test_alternating_mirror_shows_both_sides_in_two_epochs():
    pipeline = [BatchAlternatingMirror()]
    epochs = [drawn(pipeline, epoch=e)["mirrored"] for e in range(4)]
    np.testing.assert_array_equal(epochs[0], ~epochs[1])
    np.testing.assert_array_equal(epochs[0], epochs[2])
    np.testing.assert_array_equal(epochs[1], epochs[3])
    assert abs(epochs[0].mean() - 0.5) < 4 * 0.5 / N**0.5
    assert p_independent(epochs[0][:-1], epochs[0][1:]) > UNLIKELY


def test_planted_children_that_share_a_seed_are_caught():
    """`A.Compose(seed=…)` sets the same seed for all its transforms, so two independent flips occur together."""
    pipeline = A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)], seed=0)
    image = np.arange(4, dtype=np.uint8).reshape(2, 2)
    out = np.stack([pipeline(image=image)["image"] for _ in range(2000)])
    across, down = out[:, 0, 1] < out[:, 0, 0], out[:, 1, 0] < out[:, 0, 0]
    assert p_independent(across, down) < UNLIKELY


def test_the_same_flips_with_keys_are_independent():
    """In a pipeline of the project the same transforms of Albumentations are independent."""
    pipeline = A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)], seed=0)
    images = np.broadcast_to(np.arange(4, dtype=np.uint8).reshape(2, 2, 1), (2000, 2, 2, 1))
    out = augment(steps_of(pipeline), images, keys_of(2000))
    across, down = out[:, 0, 1, 0] < out[:, 0, 0, 0], out[:, 1, 0, 0] < out[:, 0, 0, 0]
    assert p_independent(across, down) > UNLIKELY
    assert abs(across.mean() - 0.5) < 4 * 0.5 / 2000**0.5
