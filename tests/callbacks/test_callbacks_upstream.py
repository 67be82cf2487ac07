"""Tests of the private name of torch that callbacks/upstream.py uses.

If this fails after an upgrade of torch, find the replacement of the name and change only that file.
"""

import torch
from torch import nn

from callbacks.upstream import uncompiled


def test_a_compiled_model_is_found_inside_its_wrapper():
    net = nn.Sequential(nn.Linear(2, 2))
    wrapper = torch.compile(net)
    assert wrapper is not net
    assert uncompiled(wrapper) is net
    assert uncompiled(net) is net
