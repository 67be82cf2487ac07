"""The global random generators: what everything draws from that was given no generator of its own."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch

RestoreState = Callable[[], None]


def global_generators() -> Iterator[RestoreState]:
    """For each global generator what puts it back to its present state: Python's, numpy's, torch's, the devices'."""
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_initialized():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    if torch.backends.mps.is_available():
        yield partial(torch.mps.set_rng_state, torch.mps.get_rng_state())


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Put the global generators back, however the block ends."""
    with ExitStack() as undo:
        for restore in global_generators():
            undo.callback(restore)
        yield


def seed_generators(device: str, *key: int) -> None:
    """Seed the global generators with a hash of the numbers in `key`.

    `torch.manual_seed` does the same for torch in half a millisecond: it writes down where it was called from.

    Args:
        device: the type of the device whose generator is seeded too: cpu, cuda or mps.
        key: numbers that are not negative; at least one.
    """
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        torch.get_device_module(device).manual_seed(seed)
