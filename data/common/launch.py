"""Rank and number of the processes that `torchrun` or `accelerate launch` started. Does not import torch."""

import os


def process_count() -> int:
    """Returns the number of processes that were launched together; 1 for a plain `python`."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_rank() -> int:
    """Returns the rank of this process, counted from 0. Rank 0 writes the files and prints the results."""
    return int(os.environ.get("RANK", "0")) if process_count() > 1 else 0


def launch_command(count: int) -> str:
    """Returns the command that starts a script in this number of processes on one machine."""
    return f"torchrun --standalone --nproc_per_node {count}" if count > 1 else "python"
