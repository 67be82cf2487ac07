"""Claim: the finder takes less than 3% more time than its training steps alone.

The result is the CPU time of `find_lr` on ResNet18 with half of its channels, divided by that of equally many steps of
a plain loop on equally many batches; both take turns.

    python -m benchmarks.lr_finder_cost
"""

from functools import partial
from itertools import chain, islice, repeat
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import torch
from fastai.learner import Learner

from benchmarks.lr_finder import BATCH, learner
from benchmarks.report import write_report
from callbacks.lr_find.finder import find_lr
from learners import Recipe, ResNet18

ROUNDS, STEPS = 7, 60
Net = partial(ResNet18, width=32)  # 64 channels take four times as long


def ratios() -> list[float]:
    """Return the CPU time of the finder divided by that of the loop, for each round."""
    recipe = Recipe.of(data="digits", size=8, batch_size=BATCH, device="cpu")
    with TemporaryDirectory() as path:
        learn = learner(recipe, path, Net)
    found = []
    for _ in range(ROUNDS):
        started = process_time()
        sweeps = find_lr(learn, num_it=STEPS).sweeps
        finder = process_time() - started
        taken = sum(
            len(sweep.lrs) + bool(sweep.stopped) for sweep in sweeps
        )  # includes the step after which the sweep stopped
        found.append(finder / by_hand(learn, taken))
    return found


def by_hand(learn: Learner, steps: int) -> float:
    """Return the CPU seconds of this number of steps of a plain loop."""
    model, batches = Net(), chain.from_iterable(repeat(learn.dls.train))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-7, momentum=0.9, nesterov=True, weight_decay=5e-4)
    started = process_time()
    for x, y in islice(batches, steps):
        learn.loss_func(model(torch.Tensor(x)), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    return process_time() - started


def main() -> None:
    found = ratios()
    cost = float(np.median(found)) - 1
    print(f"bookkeeping: {100 * cost:.1f}% of the steps (below 3%), the median of {ROUNDS} rounds")
    write_report("lr_finder_cost", {"bookkeeping": cost, "ratios": found})


if __name__ == "__main__":
    main()
