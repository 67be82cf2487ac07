"""The processes that train one run together."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from data.common.errors import InputError, TrainingError
from data.common.packages import check_installed
from data.common.share import Share


class ProcessesError(InputError):
    """Several processes cannot train this run together."""


class Processes:
    """The processes of a launch, joined by accelerate over `torch.distributed`: NCCL on GPUs, gloo on CPUs.

    All of them must call the same methods in the same order: each waits for the others.

    Args:
        device: what the processes train on; each takes a GPU of its own.

    Attributes:
        share: the part of each batch that this process takes.

    Raises:
        ProcessesError: accelerate is not installed, or PyTorch cannot join processes on such a device.
    """

    def __init__(self, device: torch.device) -> None:
        check_installed("a run of several processes", ("accelerate",), ("accelerate",), ProcessesError)
        if device.type not in ("cpu", "cuda"):
            raise ProcessesError(f"device {device.type}: several processes train on cuda or cpu; set `device`")
        from accelerate import Accelerator

        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")  # the learner chooses its own
        self.share = Share(self.accelerator.process_index, self.accelerator.num_processes)
        on_cpu = distributed.new_group(backend="gloo")  # what it exchanges waits for no GPU
        assert isinstance(on_cpu, distributed.ProcessGroup)
        self.on_cpu = on_cpu

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.share.rank == 0

    def from_first(self, value: Any) -> Any:
        """What the first process passes here; the others' values are ignored."""
        values = [value]
        distributed.broadcast_object_list(values, src=0, group=self.on_cpu)
        return values[0]

    def greatest(self, number: int) -> int:
        """The greatest of the numbers of all processes."""
        found = torch.tensor(number)
        distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self.on_cpu)
        return int(found)

    def wait(self) -> None:
        """Until all processes are here."""
        distributed.barrier(group=self.on_cpu)

    def parallel(self, model: nn.Module) -> nn.Module:
        """Returns `model` in a module that averages the gradients over the processes in each backward pass.

        All processes start with the weights of the first one. The parameters are those of `model` itself.
        """
        return self.accelerator.prepare_model(model)

    def release(self) -> None:
        """Forget what `parallel` returned: backward passes of the model are those of this process alone again."""
        self.accelerator.free_memory()

    def rows(self, part: Tensor, sizes: list[int]) -> Tensor:
        """The first `sizes[rank]` rows of each process's `part`, one after another."""
        most, mine = max(sizes), sizes[self.share.rank]
        padded = part.new_zeros(most, *part.shape[1:])
        padded[:mine] = part[:mine]
        parts = self.accelerator.gather(padded).split(most)
        return torch.cat([found[:n] for found, n in zip(parts, sizes, strict=True)])

    def sum(self, value: Tensor) -> Tensor:
        """The sum of the values of all processes."""
        return self.accelerator.reduce(value.clone(), "sum")

    @contextmanager
    def naming_the_others(self, how: str) -> Iterator[None]:
        """Say in one sentence that another process is gone, where this one fails because of that.

        Args:
            how: to resume the run.

        Raises:
            TrainingError: another process ended.
        """
        try:
            yield
        except RuntimeError as error:
            if not _is_of_the_connection(error):
                raise
            raise TrainingError(
                f"another process of this run ended, and process {self.share.rank} cannot go on without it; what that "
                f"one or the launcher printed tells why. To resume: {how}"
            ) from error


def _is_of_the_connection(error: RuntimeError) -> bool:
    """Whether torch lost a process. gloo's errors have no type of their own."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)
