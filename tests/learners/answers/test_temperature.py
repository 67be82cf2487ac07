"""The temperature, against a closed form, the derivative of the loss in PyTorch, and calibrated labels."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch.nn import functional as F

from learners.answers.prediction_metrics import calibration_error, reliability
from learners.answers.temperature import HIGHEST, fit_temperature


def test_two_classes_have_a_closed_form():
    """With a margin of 2 and an accuracy of 3/4, calibration needs sigmoid(2 / T) = 3/4, so T = 2 / log 3."""
    logits = np.array([[2.0, 0.0]] * 4, dtype=np.float32)
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(2 / np.log(3), rel=1e-4)


def test_the_loss_is_flat_there_in_float64():
    logits = np.random.default_rng(0).normal(size=(500, 7)).astype(np.float32) * 4
    targets = np.random.default_rng(1).integers(0, 7, 500)
    targets[:300] = logits[:300].argmax(1)
    log_t = torch.tensor(np.log(fit_temperature(logits, targets)), requires_grad=True)
    loss = F.cross_entropy(torch.from_numpy(logits).double() / log_t.exp(), torch.from_numpy(targets))
    assert abs(torch.autograd.grad(loss, log_t)[0].item()) < 1e-4


def test_labels_drawn_from_the_softmax_give_back_its_temperature():
    draw = np.random.default_rng(2)
    logits = draw.normal(size=(40_000, 5)) * 3
    true = softmax(logits / 2.5, axis=1)
    targets = (draw.random((len(true), 1)) > true.cumsum(1)).sum(1)
    assert fit_temperature(logits, targets) == pytest.approx(2.5, rel=0.03)
    before, after = (calibration_error(reliability(softmax(logits / t, axis=1), targets)) for t in (1, 2.5))
    assert after < before / 5


def test_a_model_that_is_always_wrong_has_the_highest_temperature():
    assert fit_temperature(np.array([[3.0, 0.0]] * 3), np.array([1, 1, 1])) == pytest.approx(HIGHEST, rel=1e-3)
