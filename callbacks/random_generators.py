"""The global random generators, which code uses that has no generator of its own."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch

RestoreState = Callable[[], None]


def global_generators() -> Iterator[RestoreState]:
    """Yield, for each global generator, a function that restores its current state.

    The generators are those of Python, numpy, torch and the CUDA or MPS devices.
    """
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    if torch.backends.mps.is_available():
        yield partial(torch.mps.set_rng_state, torch.mps.get_rng_state())


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Restore the states of the global generators when the block ends, also after an exception."""
    with ExitStack() as undo:
        for restore in global_generators():
            undo.callback(restore)
        yield


def seed_generators(device: str, *key: int) -> None:
    """Seed the global generators with a hash of the numbers in `key`.

    This does not call `torch.manual_seed`, which takes half a millisecond because it records its caller.

    Args:
        device: type of the device whose generator is also seeded: cpu, cuda or mps.
        key: one or more whole numbers that are not negative.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        torch.get_device_module(device).manual_seed(seed)
