"""Averages of the weights over different numbers of steps, with averaged and with estimated norm statistics.

Question: how many steps should the average of the weights cover, and does it need its own norm statistics?

One run keeps averages with several horizons and uses none of them. At its end each average is validated with the
averaged norm statistics, and with statistics estimated again on training batches. Only training images are used.

    python -m benchmarks.averaging [--seeds 1]
"""

import argparse
from copy import deepcopy

import torch
from fastai.data.core import DataLoaders
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from benchmarks.report import write_report
from callbacks.optional.weight_average import WeightAverage
from learners import image_learner

SETTINGS = {"limit": 2500, "holdout": 1000, "size": 16, "epochs": 6, "ema": False, "whiten": True, "device": "cpu"}
HORIZONS = (0.05, 0.1, 0.2, 0.4)  # fractions of the run
NORM_BATCHES = 10


class Aside(WeightAverage):
    """An average that is never put into the model."""

    def before_validate(self):
        pass

    def after_validate(self):
        pass


def horizons_of_one_run(seed: int) -> dict[str, dict[str, float]]:
    """Train once; return accuracy and loss on the held-out images for the last weights and for each average."""
    learn = image_learner("cifar10", seed=seed, **SETTINGS)
    averages = {horizon: Aside(horizon) for horizon in HORIZONS}
    with learn.added_cbs(list(averages.values())):
        learn.fit_recipe()
    figures = {"none": validated(learn.model, learn.dls)}
    batches = [x.as_subclass(Tensor) for _, (x, _) in zip(range(NORM_BATCHES), learn.dls.train, strict=False)]
    for horizon, average in averages.items():
        model = deepcopy(learn.model)
        model.load_state_dict(average.average, strict=False)
        figures[f"{horizon:g}"] = validated(model, learn.dls)
        update_bn(batches, model)
        figures[f"{horizon:g}, norms re-estimated"] = validated(model, learn.dls)
    return figures


@torch.no_grad()
def validated(model: nn.Module, dls: DataLoaders) -> dict[str, float]:
    """Return the accuracy, and the cross entropy without label smoothing."""
    model.eval()
    batches = [(model(x.as_subclass(Tensor)), y.as_subclass(Tensor)) for x, y in dls.valid]
    logits, y = (torch.cat(parts) for parts in zip(*batches, strict=True))  # N×C, N
    return {"accuracy": (logits.argmax(1) == y).float().mean().item(), "loss": F.cross_entropy(logits, y).item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    seeds = range(parser.parse_args().seeds)
    runs = {seed: horizons_of_one_run(seed) for seed in seeds}
    table = Table("horizon, of the run", *(f"seed {seed}: accuracy, loss" for seed in seeds))
    for name in runs[0]:
        table.add_row(name, *(f"{runs[s][name]['accuracy']:.4f}, {runs[s][name]['loss']:.4f}" for s in seeds))
    Console().print(table)
    write_report("averaging", {"settings": SETTINGS, "runs": runs})


if __name__ == "__main__":
    main()
