"""A checkpoint stores the plain attributes of a callback without `state_dict`, and nothing else of it."""

import numpy as np
import torch
from fastai.callback.core import Callback
from torch import nn

from callbacks.checkpoint.attributes import plain_attributes, set_attributes
from callbacks.checkpoint.checkpoint_file import read_state, write_state

CPU = torch.device("cpu")
PLAIN = {
    "count": 3,
    "best": float("inf"),
    "text": "é",
    "nothing": None,
    "on": True,
    "nested": [1, (2.5, "x", [None]), {"a": {2: (3,)}, (1, 2): []}],
    "pair": ("tensor", 7),
    "empty": ((), [], {}),
}


class Keeps(Callback):
    order = 3


def through_a_file(tmp_path, cb):
    write_state(tmp_path / "x.pt", {"cb": plain_attributes(cb)})
    return read_state(tmp_path / "x.pt")["cb"]


def filled():
    cb = Keeps()
    vars(cb).update(PLAIN)
    return cb


def test_plain_values_come_back_in_their_own_types(tmp_path):
    cb, fresh = filled(), Keeps()
    cb.array, cb.number, cb.tensor = np.arange(6.0).reshape(2, 3), np.float32(0.5), torch.eye(2).half()
    cb.mixed = [cb.array[0], {"t": torch.tensor(3)}]
    set_attributes(fresh, through_a_file(tmp_path, cb), CPU)
    assert {name: getattr(fresh, name) for name in PLAIN} == PLAIN
    assert [type(part) for part in fresh.nested[:2]] == [int, tuple]
    assert isinstance(fresh.array, np.ndarray)
    np.testing.assert_array_equal(fresh.array, cb.array)
    assert fresh.number == 0.5
    assert fresh.tensor.dtype == torch.float16
    np.testing.assert_array_equal(fresh.mixed[0], [0, 1, 2])
    assert fresh.mixed[1]["t"] == 3


def test_nothing_else_is_kept():
    cb = Keeps()
    cb.learn, cb.run, cb.order = object(), False, 9
    cb.function, cb.layer, cb.place = print, nn.Linear(1, 1), np.array([object()])
    cb.some = [1, object()]
    assert not plain_attributes(cb).keys() & {"learn", "run", "order", "function", "layer", "place", "some"}


def test_copies_are_kept():
    cb = Keeps()
    cb.tensor, cb.array = torch.zeros(2), np.zeros(2)
    kept = plain_attributes(cb)
    cb.tensor += 1
    cb.array += 1
    set_attributes(cb, kept, CPU)
    assert cb.tensor.tolist() == cb.array.tolist() == [0, 0]


def test_a_tensor_that_others_share_stays_that_tensor():
    layer = nn.Linear(2, 2)
    cb = Keeps()
    cb.layers = [layer.weight, layer.bias]
    kept = plain_attributes(cb)
    with torch.no_grad():
        layer.weight.zero_()
    set_attributes(cb, kept, CPU)
    assert cb.layers[0] is layer.weight
    assert layer.weight.abs().sum() > 0
    cb.layers = [torch.zeros(1), torch.zeros(1)]  # other shapes
    set_attributes(cb, kept, CPU)
    torch.testing.assert_close(cb.layers[0], layer.weight.detach())
