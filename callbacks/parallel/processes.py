"""The processes that train one run together, and the communication between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from data.common.errors import InputError, TrainingError
from data.common.packages import check_installed
from data.common.share import Share


class ProcessesError(InputError):
    """Raised if several processes cannot train the run together."""


class Processes:
    """The processes that a launcher started, connected by accelerate (NCCL on GPUs, gloo on CPUs).

    All processes must call the same methods in the same order, because each call waits for the others.

    Args:
        device: device type to train on, cuda or cpu; each process takes its own GPU.

    Attributes:
        share: the part of each batch that this process computes.

    Raises:
        ProcessesError: accelerate is not installed, or the device is neither cuda nor cpu.
    """

    def __init__(self, device: torch.device) -> None:
        check_installed("a run of several processes", ("accelerate",), ("accelerate",), ProcessesError)
        if device.type not in ("cpu", "cuda"):
            raise ProcessesError(
                f"device {device.type}: several processes can only train on cuda or cpu; set `device` to one of these"
            )
        from accelerate import Accelerator

        # The learner sets the precision itself.
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
        self.share = Share(self.accelerator.process_index, self.accelerator.num_processes)
        on_cpu = distributed.new_group(backend="gloo")  # communication of Python objects that does not wait for a GPU
        assert isinstance(on_cpu, distributed.ProcessGroup)
        self.on_cpu = on_cpu

    @property
    def is_first(self) -> bool:
        """Whether this process is the first one, which writes files and prints."""
        return self.share.rank == 0

    def from_first(self, value: Any) -> Any:
        """Return the value that the first process passed; the values of the others are ignored."""
        values = [value]
        distributed.broadcast_object_list(values, src=0, group=self.on_cpu)
        return values[0]

    def greatest(self, number: int) -> int:
        """Return the largest of the numbers that the processes passed."""
        found = torch.tensor(number)
        distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self.on_cpu)
        return int(found)

    def wait(self) -> None:
        """Wait until all processes have called this method."""
        distributed.barrier(group=self.on_cpu)

    def parallel(self, model: nn.Module) -> nn.Module:
        """Return a wrapper of `model` whose backward pass averages the gradients over the processes.

        The wrapper shares the parameters of `model` and first sets them to those of the first process.
        """
        return self.accelerator.prepare_model(model)

    def release(self) -> None:
        """Release the wrapper that `parallel` returned, so that backward passes no longer average the gradients."""
        self.accelerator.free_memory()

    def rows(self, part: Tensor, sizes: list[int]) -> Tensor:
        """Concatenate the rows of all processes.

        Args:
            part: tensor of this process; its first `sizes[rank]` rows are used.
            sizes: number of rows of each process.

        Returns:
            A tensor of `sum(sizes)` rows in the order of the processes, the same in every process.
        """
        longest, mine = max(sizes), sizes[self.share.rank]
        padded = part.new_zeros(longest, *part.shape[1:])
        padded[:mine] = part[:mine]
        parts = self.accelerator.gather(padded).split(longest)
        return torch.cat([found[:n] for found, n in zip(parts, sizes, strict=True)])

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of the tensors that the processes passed, all of one shape."""
        return self.accelerator.reduce(value.clone(), "sum")

    @contextmanager
    def naming_the_others(self, how: str) -> Iterator[None]:
        """Raise a clear error if this process fails because another one ended.

        Args:
            how: how to resume the run, for the message.

        Raises:
            TrainingError: another process ended.
        """
        try:
            yield
        except RuntimeError as error:
            if not _is_of_the_connection(error):
                raise
            raise TrainingError(
                f"another process of this run ended, and process {self.share.rank} cannot continue without it; see the "
                f"messages of that process or of the launcher for the cause. To resume: {how}"
            ) from error


def _is_of_the_connection(error: RuntimeError) -> bool:
    """Return whether torch lost the connection to a process; gloo has no error type, so its name is searched for."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)
