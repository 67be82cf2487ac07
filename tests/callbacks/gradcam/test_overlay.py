"""The pixels of a heatmap over its image."""

import numpy as np

from callbacks.gradcam.overlay import SIDE_PIXELS, overlaid

WHITE, BLACK = np.full((8, 8, 3), 255, np.uint8), np.zeros((8, 8, 3), np.uint8)


def half(value):
    heat = np.zeros((8, 8))
    heat[:, 4:] = value
    return heat


def test_without_evidence_it_is_the_image_in_light_grey():
    shown = overlaid(BLACK, np.zeros((8, 8)), end=1.0)
    assert (shown.shape, shown.dtype) == ((SIDE_PIXELS, SIDE_PIXELS, 3), np.uint8)
    assert np.unique(shown).tolist() == [round(0.35 * 255)]
    assert np.unique(overlaid(WHITE, np.zeros((8, 8)), end=1.0)).tolist() == [255]


def test_the_place_of_the_evidence_is_coloured():
    shown = overlaid(WHITE, half(1.0), end=1.0).astype(int)
    colour = shown.max(2) - shown.min(2)
    assert colour[:, : SIDE_PIXELS // 4].max() == 0
    assert colour[:, 3 * SIDE_PIXELS // 4 :].min() > 100


def test_half_the_evidence_is_fainter_on_the_same_scale():
    strong, weak = (overlaid(WHITE, half(value), end=1.0).astype(float)[:, -8:] for value in (1.0, 0.1))
    assert (255 - weak).mean() < (255 - strong).mean()


def test_the_signs_of_a_difference_have_different_colours():
    more, less = (overlaid(WHITE, half(value), 1.0, signed=True)[:, -8:].mean((0, 1)) for value in (1.0, -1.0))
    assert more[0] > more[2]  # orange
    assert less[2] > less[0]  # blue
