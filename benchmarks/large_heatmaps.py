"""Claim: on pictures of 128 pixels the default heatmaps are best in both tests too, and are chosen on training images.

The pictures are those of `pictures.py`, of ten classes. A model for pictures of this size cannot be trained on a CPU in
a few minutes, so the model of a CIFAR-10 run is put after a mean over 3×3 pixels and trained for another epoch. It
knows the objects, but not their positions or backgrounds. Each method is tested on held-out pictures at the layer that
`choose_method_and_layer` returns.

    python -m benchmarks.large_heatmaps RUN [--images 40] [--mosaics 20]
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.heatmaps import COLUMNS, add_mass, add_trust, images_at, in_parts, print_table, summary, sure_images
from benchmarks.pictures import SIDE, make_pictures
from benchmarks.report import write_report
from callbacks.gradcam.choice import choose_method_and_layer
from callbacks.gradcam.loader_images import chosen_batches
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import DEFAULT_METHOD
from learners import image_learner
from learners.finished_learner import load_run

METHODS = (DEFAULT_METHOD, "gradcam-integrated", "gradcam")
RATE, MOMENTUM = 0.003, 0.9  # of the epoch
CHOOSING = 32  # training pictures, as `learners/heatmaps.py` takes on a CPU


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--mosaics", type=int, default=20)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        make_pictures(Path(folder))
        learn = image_learner(folder, size=SIDE, batch_size=16, device="cpu", cache="none", workers=0)
        learn.model = nn.Sequential(nn.AvgPool2d(3), load_run(options.run, device="cpu").model)
        train(learn)
        figures = judge(learn, options)
    write_report("large_heatmaps", {"options": {"images": options.images, "mosaics": options.mosaics}, **figures})


def train(learn) -> None:
    """Train for one epoch with plain SGD on the augmented training pictures."""
    optimizer = torch.optim.SGD(learn.model.parameters(), RATE, MOMENTUM)
    learn.model.train()
    for xb, yb in learn.dls.train:
        optimizer.zero_grad()
        F.cross_entropy(learn.model(xb.as_subclass(Tensor)), yb.as_subclass(Tensor)).backward()
        optimizer.step()
    learn.model.eval()


def judge(learn, options: argparse.Namespace) -> dict:
    """Return the accuracy on all held-out pictures, the choice, and the test results of each method on some of them."""
    everything = list(range(len(learn.dls.valid_ds)))
    choice = choose_method_and_layer(learn.model, *training_images(learn))
    methods = {name: partial(in_parts, maps_of(learn.model, choice.layer, name)) for name in METHODS}
    rows = {name: {column: [] for column in COLUMNS} for name in methods}
    pool = sure_images(learn, everything)
    add_trust(rows, learn.model, methods, images_at(learn, everything[:: len(everything) // options.images]), seed=0)
    add_mass(rows, methods, pool, options.mosaics)
    print(choice)
    print_table(summary(rows))
    accuracy = len(pool[1]) / len(everything)
    return {"accuracy": accuracy, "choice": asdict(choice), "summary": summary(rows), "rows": rows}


def training_images(learn) -> tuple[Tensor, Tensor]:
    """Return evenly spread training pictures, not augmented, and their labels."""
    files = learn.dls.source.train
    some = files[:: len(files) // CHOOSING][:CHOOSING]
    batches = chosen_batches(learn.dls.test_dl(some, with_labels=True), range(CHOOSING))
    return torch.cat([xb for xb, *_ in batches]), torch.cat([yb for _, yb, _ in batches])


def maps_of(model: nn.Module, layer: str, method: str):
    return lambda xb, targets: grad_cam(model, xb, targets, layer, method)


if __name__ == "__main__":
    main()
