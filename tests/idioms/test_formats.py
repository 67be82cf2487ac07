"""fastai's methods for precision and memory format do not change any result on a CPU."""

import pytest
import torch

from data.common.errors import TrainingError
from tests.idioms.learner_pair import LearnerPair, assert_same, assert_same_weights, learner_pair

pytestmark = pytest.mark.filterwarnings("ignore:.*CUDA is not available")


@pytest.fixture
def pair(tmp_path):
    """Two learners of this project: one to change, and one for comparison."""
    return LearnerPair(learner_pair(tmp_path).ours, learner_pair(tmp_path).ours)


def names(learn) -> list[str]:
    return sorted(cb.name for cb in learn.cbs)


CHANGES = {
    "to_fp16": lambda learn: learn.to_fp16(),
    "to_bf16": lambda learn: learn.to_bf16(),
    "to_channelslast": lambda learn: learn.to_channelslast(),
    "to_channelslast(use_amp=False)": lambda learn: learn.to_channelslast(use_amp=False),
    "to_contiguous": lambda learn: learn.to_channelslast(use_amp=False).to_contiguous(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_figures_stay_and_there_is_a_way_back(table, pair, name):
    before = names(pair.ours)
    CHANGES[name](pair.ours)
    assert (names(pair.ours) == before) == (name == "to_contiguous")
    for learn in pair:
        learn.fit_one_cycle(1, 0.05)
    assert_same_weights(pair)
    assert_same(list(pair.ours.recorder.values[0]), list(pair.plain.recorder.values[0]))
    assert pair.ours.model[0].weight.is_contiguous() or name != "to_contiguous"
    pair.ours.to_fp32()
    pair.ours.to_contiguous()
    assert names(pair.ours) == before
    for learn in pair:
        learn.fit_one_cycle(1, 0.05)
    assert_same_weights(pair)
    table.works(f"Learner.{name}", "the same fit without it, on a CPU: weights and figures")
    table.works("Learner.to_fp32", "the same fit without it, on a CPU: weights, and the callbacks that are left")


def test_half_precision_of_before_amp_needs_a_gpu(table, pair):
    pair.ours.to_non_native_fp16()
    with pytest.raises((AssertionError, TrainingError), match="requires a GPU") as refused:
        pair.ours.fit(1, 0.05)
    pair.ours.to_non_native_fp32()
    pair.ours.model.float()
    for learn in pair:
        learn.fit(1, 0.05)
        assert all(param.dtype is torch.float32 for param in learn.model.parameters())
    table.refused("Learner.to_non_native_fp16", refused.value)
    table.works("Learner.to_non_native_fp32", "the callbacks are gone, and a fit works")
