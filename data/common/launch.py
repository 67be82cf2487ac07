"""Which process of a launch this one is, as `torchrun` and `accelerate launch` say it. Imports no torch."""

import os


def process_count() -> int:
    """How many processes were launched together; 1 for a plain `python`."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_rank() -> int:
    """The number of this process among them, from 0. The first one writes the files and prints the results."""
    return int(os.environ.get("RANK", "0")) if process_count() > 1 else 0
