"""The private names of torch that learners/upstream.py uses, one test for each.

If a test fails after an upgrade of torch, look up what replaced the name and change that file alone.
"""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from learners.upstream import HOOK_DICTS, cpu_has_bf16, hook_dicts

ADDERS = {
    "_forward_pre_hooks": "register_forward_pre_hook",
    "_forward_hooks": "register_forward_hook",
    "_backward_pre_hooks": "register_full_backward_pre_hook",
    "_backward_hooks": "register_full_backward_hook",
}


@pytest.mark.parametrize("name", HOOK_DICTS)
def test_a_hook_of_each_kind_is_seen(name):
    model = nn.Sequential(nn.Linear(2, 2))
    dicts = hook_dicts(model)
    assert not any(dicts)
    handle = getattr(model[0], ADDERS[name])(lambda *args: None)
    assert any(dicts)
    handle.remove()
    assert not any(dicts)


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists(), reason="compares with Linux's list of the processor's abilities"
)
def test_the_processor_says_the_same_as_linux():
    assert torch.cpu._is_avx512_bf16_supported() in (True, False)
    assert torch.cpu._is_amx_tile_supported() in (True, False)
    flags = set(re.findall(r"\b(?:avx512_bf16|amx_tile)\b", Path("/proc/cpuinfo").read_text()))
    assert cpu_has_bf16() == bool(flags)


def test_a_torch_without_these_functions_counts_as_a_processor_without_bf16(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert cpu_has_bf16() is False
