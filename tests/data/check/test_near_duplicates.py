"""Near duplicates: the pairs are those that comparing all pairs finds, and only similar pictures count."""

import io

import numpy as np
import pytest
from PIL import Image

from data.check import near_duplicates
from data.check.examine import FeatureArrays
from data.check.facts import image_features
from data.check.near_duplicates import MIN_SIMILARITY, close_pairs, near_pairs, similarity
from tests.data.check.check_pictures import picture


def features_of(pictures):
    features = FeatureArrays(len(pictures))
    for i, one in enumerate(pictures):
        features[i] = image_features(one)
    return features


def brute(hashes, radius):
    differ = np.bitwise_count(hashes[:, None] ^ hashes[None])
    return set(zip(*np.nonzero(np.triu(differ <= radius, 1)), strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50, 1000])
@pytest.mark.parametrize("radius", [0, 4, 10])
def test_all_close_hashes_are_found(count, radius):
    rng = np.random.default_rng(count)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    for i in range(count // 2):  # every other one is close to the one before
        flips = rng.choice(64, rng.integers(0, 14), replace=False)
        hashes[2 * i + 1] = hashes[2 * i] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=0)
    found = {(a, b) for left, right in close_pairs(hashes, radius) for a, b in zip(left, right, strict=True)}
    assert found == brute(hashes, radius)


def test_equal_hashes_are_compared_in_parts(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MAX_HASH_PAIRS", 100)
    hashes = np.zeros(60, np.uint64)
    parts = list(close_pairs(hashes, 0))
    assert max(len(left) for left, _ in parts) < 100 + 60
    assert {(a, b) for left, right in parts for a, b in zip(left, right, strict=True)} == brute(hashes, 0)


def test_the_share_of_pairs_that_are_compared_falls(monkeypatch):
    compared, count = [], np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda bits: compared.append(len(bits)) or count(bits))
    share = {}
    for number in (1_000, 32_000):
        compared.clear()
        list(close_pairs(np.random.default_rng(0).integers(0, 2**64, number, dtype=np.uint64)))
        share[number] = sum(compared) / number**2
    assert share[32_000] < 0.01
    assert share[32_000] < share[1_000] / 4


def changed(image):
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=50)
    return {
        "as JPEG": Image.open(jpeg).convert("RGB"),
        "smaller": image.resize((31, 31)),
        "darker": image.point(lambda level: level * 0.5),
        "grey": image.convert("L").convert("RGB"),
        "less contrast": image.point(lambda level: 60 + level * 0.5),
    }


@pytest.mark.parametrize("how", changed(picture(0)))
def test_a_changed_copy_is_a_near_duplicate(how):
    pictures = [*map(picture, range(20)), changed(picture(7))[how]]
    pairs, similarities = near_pairs(features_of(pictures), np.arange(21))
    assert pairs.tolist() == [[7, 20]]
    assert similarities[0] > MIN_SIMILARITY


def test_pairs_of_one_group_and_of_equal_pixels_are_left_out():
    pictures = [picture(0), picture(0), picture(0).resize((40, 40)), *map(picture, range(1, 20))]
    groups = np.array([0, 1, 0, *range(2, 21)])
    assert near_pairs(features_of(pictures), groups)[0].tolist() == [[1, 2]]


def test_blank_pictures_with_the_same_speck_are_not_alike():
    pictures = [Image.new("RGB", (32, 32), (level, level, level)) for level in range(0, 240, 10)]
    for one in pictures:
        one.paste(tuple(level + 8 for level in one.getpixel((0, 0))), (4, 4, 6, 6))
    assert len(near_pairs(features_of(pictures), np.arange(24))[0]) == 0


def test_pictures_that_are_alike_by_nature_are_no_duplicates():
    """Returns pictures of the same ring with small differences, as X-rays or digits have; one is a copy."""
    ring = np.hypot(*np.mgrid[-24:24, -24:24])
    shape = 200.0 * ((ring > 10) & (ring < 18))
    own = [np.asarray(picture(i).convert("L"), float) for i in range(40)]
    pictures = [Image.fromarray((0.3 * one + 0.7 * shape).astype(np.uint8)).convert("RGB") for one in own]
    features = features_of([*pictures, pictures[3].point(lambda level: level * 0.9)])
    assert (similarity(features.thumbs[:20], features.thumbs[20:40]) > MIN_SIMILARITY).mean() > 0.5
    assert near_pairs(features, np.arange(41))[0].tolist() == [[3, 40]]


def test_similarity_is_the_mean_of_two_correlations():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 16, 16), dtype=np.uint8)

    def edges(thumb):
        grey = thumb.astype(float)
        return np.concatenate([np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel()])

    expected = [
        (np.corrcoef(x.ravel(), y.ravel())[0, 1] + np.corrcoef(edges(x), edges(y))[0, 1]) / 2
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(similarity(a, b), expected, atol=1e-5)
    np.testing.assert_allclose(similarity(a, a), 1, atol=1e-5)
    np.testing.assert_allclose(similarity(a, 255 - a), -1, atol=1e-5)
