"""Batches that are made ahead: the same ones, in order, and no thread outlives them."""

import threading

import pytest
import torch

from data import image_dls
from data.ahead import ahead
from learners import Recipe


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("ahead")]


@pytest.mark.parametrize("length", [0, 1, 2, 50])
def test_the_batches_and_their_order_are_the_same(length):
    assert list(ahead(iter(range(length)))) == list(range(length))
    assert threads() == []


def test_the_next_batches_are_made_while_one_is_in_use():
    made = [threading.Event() for _ in range(5)]

    def batches():
        for event in made:
            event.set()
            yield event

    stream = ahead(batches(), count=3)
    assert next(stream) is made[0]
    assert all(event.wait(60) for event in made[:4])  # the one in use, and three ahead of it
    assert not made[4].is_set()
    stream.close()
    assert threads() == []


def test_a_fault_comes_in_its_turn():
    def batches():
        yield 1
        raise ValueError("image 2 is broken")

    stream = ahead(batches())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="image 2 is broken"):
        next(stream)
    assert threads() == []


def test_a_loader_draws_the_same_for_an_accelerator(tiny):
    dl = image_dls("digits", Recipe.of(**tiny, device="cpu")).train
    here = list(dl.create_batches(iter(range(64))))
    dl.device = torch.device("meta")  # stands for any that is not the CPU
    there = list(dl.create_batches(iter(range(64))))
    assert len(here) == len(there) == 4
    assert all(
        torch.equal(a, b) for one, other in zip(here, there, strict=True) for a, b in zip(one, other, strict=True)
    )
