"""Claim: on CIFAR-10 at 32 pixels no layer of ResNet18 gives more faithful Grad-CAM maps than layer3, within the error
of the measurement, and the last block gives less faithful ones; so layer3 is the default.

Insertion less deletion (Petsiuk et al. 2018) of maps for the predicted class, a mean over validation images, with its
standard error over images. The model is trained first, as the recipe says, or read from a run's weights.

    python -m benchmarks.gradcam_layers [--data cifar10] [--epochs 24] [--weights RUN/model.safetensors] [--count 100]
"""

import argparse
import random
from pathlib import Path

import torch
from callbacks.gradcam.faithfulness import SHIFTS, STEPS, Faithfulness, faithfulness
from fastai.learner import Learner
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

from benchmarks.report import write_report
from callbacks.gradcam.images import chosen_batches
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS
from learners import image_learner

LAYERS = ("layer2", "layer3", "layer4")


def main() -> None:
    arguments = parse()
    learn = image_learner(arguments.data, epochs=arguments.epochs)
    if arguments.weights:
        learn.model.load_state_dict(load_file(arguments.weights))
    else:
        learn.fit_recipe()
    images = range(len(learn.dls.valid_ds))
    idxs = sorted(random.Random(0).sample(images, min(arguments.count, len(images))))
    choices = [(layer, method) for layer in LAYERS for method in METHODS if method != "fusion"] + [(None, "fusion")]
    rows = [measure(learn, idxs, layer, method) for layer, method in choices]
    rows.sort(key=lambda row: row["score"], reverse=True)
    print_table(rows)
    how = {
        "accuracy": accuracy(learn, idxs),
        "steps": STEPS,
        "random_rivals": SHIFTS,
        "data": Path(learn.recipe.data).name,
    }
    write_report("gradcam_layers", {"images": len(idxs), **how, "maps": rows})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--weights", help="model.safetensors of a run; nothing is trained then")
    parser.add_argument("--count", type=int, default=100, help="validation images")
    return parser.parse_args()


def measure(learn: Learner, idxs: list[int], layer: str | None, method: str) -> dict:
    parts = []
    for xb, *_ in chosen_batches(learn.dls.valid, idxs):
        targets = predicted(learn, xb)
        cams = grad_cam(learn.model, xb, targets, layer, method)
        parts.append(faithfulness(learn.model, xb, cams, targets))
    faith = Faithfulness.joined(parts)
    error = faith.score.std().item() / len(faith.score) ** 0.5
    print(f"{layer} {method} {faith.score.mean():.3f}", flush=True)
    return {"layer": layer or "layer2+layer3+layer4", "method": method, **faith.summary(), "standard_error": error}


@torch.no_grad()
def predicted(learn: Learner, xb: torch.Tensor) -> torch.Tensor:
    return learn.model.eval()(xb).argmax(1)


def accuracy(learn: Learner, idxs: list[int]) -> float:
    """Of the images measured."""
    labels = torch.tensor([int(learn.dls.valid_ds[i][1]) for i in idxs])
    guesses = torch.cat([predicted(learn, xb).cpu() for xb, *_ in chosen_batches(learn.dls.valid, idxs)])
    return (guesses == labels).float().mean().item()


def print_table(rows: list[dict]) -> None:
    table = Table("layer", "method", "insertion", "deletion", "score", "random", "centre", "informative")
    for row in rows:
        score = f"{row['score']:.3f} ± {row['standard_error']:.3f}"
        figures = [f"{row[name]:.3f}" for name in ("insertion", "deletion", "random", "centre")]
        table.add_row(row["layer"], row["method"], *figures[:2], score, *figures[2:], f"{row['informative']:.0%}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
