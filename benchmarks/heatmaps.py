"""Claim: on CIFAR-10 the default heatmaps have p ≤ 0.05 for 45% of the images, and 93% of their mass on the class.

The run has an accuracy of 93%; the images are those of the test set, and the class is one of four in a mosaic. A map
takes ten backward passes.

Two independent tests are done on images that were not used for any choice: p-values (`trust.py`, 99 controls) for the
predicted class, and grid pointing on mosaics of four test images. The default method is compared with Grad-CAM of the
library pytorch-grad-cam, at the layer that its documentation names for a ResNet, on the same weights and images.
Results are written to the JSON file every few minutes; after an interruption the same command continues.

    python -m benchmarks.heatmaps RUN [--images 1000] [--mosaics 400]
"""

import argparse
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean, median

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.report import RESULTS, write_report
from callbacks.gradcam.estimates import Estimate, mean_share, share
from callbacks.gradcam.loader_images import chosen_batches
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import DEFAULT_METHOD
from callbacks.gradcam.pointing import make_mosaics, pointed_mass
from callbacks.gradcam.trust import SIGNIFICANCE_LEVEL, measure_trust
from learners.finished_learner import load_run
from learners.run_directory.run import Run

IMAGES, MOSAICS, POOL = 25, 10, 200  # measured in one go (the images are each other's controls); images for mosaics
USUAL = "pytorch-grad-cam, layer4"
LIMITS = {"passed": 0.45, "pointed": 0.93}  # that the default is to reach
COLUMNS = "p", "drop", "agrees", "mass"  # of each image; the last of each mosaic
Maps = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    options = parse()
    learn = load_run(options.run)
    model = learn.model.eval()
    order = random.Random(0).sample(range(len(learn.dls.valid_ds)), len(learn.dls.valid_ds))
    methods = contenders(model)
    rows = earlier(options.out) or {name: {column: [] for column in COLUMNS} for name in methods}
    pool = sure_images(learn, order[-POOL:])
    while more := [part for part in ("p", "mass") if unfinished(rows, part, options)]:
        if "p" in more:
            at = len(rows[DEFAULT_METHOD]["p"])
            add_trust(rows, model, methods, images_at(learn, order[at : min(at + IMAGES, options.images)]), seed=at)
        if "mass" in more:
            add_mass(rows, methods, pool, min(MOSAICS, options.mosaics - len(rows[DEFAULT_METHOD]["mass"])))
        save(rows, options)
    save(rows, options)
    print_table(summary(rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--mosaics", type=int, default=400)
    parser.add_argument("--out", default="heatmaps", help="name of the JSON in benchmarks/results")
    return parser.parse_args()


def contenders(model: nn.Module) -> dict[str, Maps]:
    return {
        DEFAULT_METHOD: partial(in_parts, lambda xb, t: grad_cam(model, xb, t, method=DEFAULT_METHOD)),
        USUAL: peer(model),
    }


def in_parts(maps: Maps, xb: Tensor, targets: Tensor) -> Tensor:
    return torch.cat([maps(*some) for some in zip(xb.split(IMAGES), targets.split(IMAGES), strict=True)])


def peer(model: nn.Module) -> Maps:
    cam = GradCAM(model=model, target_layers=[model.layer4[-1]])

    def maps(xb: Tensor, targets: Tensor) -> Tensor:
        with torch.enable_grad():
            drawn = cam(input_tensor=xb, targets=[ClassifierOutputTarget(int(t)) for t in targets])
        model.zero_grad(set_to_none=True)
        return torch.from_numpy(drawn)

    return maps


def images_at(learn, idxs: list[int]) -> tuple[Tensor, Tensor]:
    """Return images and labels; all images have the memory layout of a batch."""
    batches = chosen_batches(learn.dls.valid, idxs)
    return torch.cat([xb for xb, *_ in batches]), torch.cat([yb for _, yb, _ in batches])


@torch.no_grad()
def probabilities(model: nn.Module, xb: Tensor) -> Tensor:
    return torch.cat([model(some).softmax(1) for some in xb.split(64)])


def sure_images(learn, idxs: list[int]) -> tuple[Tensor, list[int], list[float]]:
    """Return the correctly classified images with their classes and probabilities."""
    xb, yb = images_at(learn, idxs)
    best = probabilities(learn.model, xb).max(1)
    right = best.indices == yb
    return xb[right], yb[right].tolist(), best.values[right].tolist()


def add_trust(rows: dict, model: nn.Module, methods: dict[str, Maps], images: tuple[Tensor, Tensor], seed: int) -> None:
    xb, _ = images
    targets = probabilities(model, xb).argmax(1)
    for name, maps in methods.items():
        for trust in measure_trust(model, xb, maps(xb, targets), targets, seed):
            rows[name]["p"].append(round(trust.p, 4))
            rows[name]["drop"].append(round(trust.drop, 3))
            rows[name]["agrees"].append(trust.agrees)


def add_mass(rows: dict, methods: dict[str, Maps], pool: tuple, count: int) -> None:
    mosaics = make_mosaics(*pool, count, seed=len(rows[DEFAULT_METHOD]["mass"]))
    for name, maps in methods.items():
        rows[name]["mass"] += [round(mass, 4) for mass in pointed_mass(mosaics, maps)]


def unfinished(rows: dict, part: str, options: argparse.Namespace) -> bool:
    wanted = {"p": options.images, "mass": options.mosaics}[part]
    return len(rows[DEFAULT_METHOD][part]) < wanted


def earlier(name: str) -> dict | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else None


def summary(rows: dict) -> dict[str, dict]:
    return {name: summary_of(**columns) for name, columns in rows.items()}


def summary_of(p: list[float], drop: list[float], agrees: list[bool], mass: list[float]) -> dict:
    passed, pointed = share([one <= SIGNIFICANCE_LEVEL for one in p]), mean_share(mass)
    return {
        "passed": passed and asdict(passed),
        "pointed": pointed and asdict(pointed),
        "median_p": median(p) if p else None,
        "mean_drop": fmean(drop) if p else None,
        "agrees": fmean(agrees) if p else None,
    }


def save(rows: dict, options: argparse.Namespace) -> None:
    wanted = {"images": options.images, "mosaics": options.mosaics}
    data = Run.open(options.run).recipe.data
    figures = {"data": data, "wanted": wanted, "limits": LIMITS, "summary": summary(rows), "rows": rows}
    write_report(options.out, figures)


def print_table(figures: dict[str, dict]) -> None:
    table = Table("method", "images", "p ≤ 0.05", "median p", "mean drop", "fills agree", "mosaics", "mass")
    for name, row in figures.items():
        passed, pointed = (Estimate(**row[part]) for part in ("passed", "pointed"))
        numbers = f"{row['median_p']:.2f}", f"{row['mean_drop']:.2f}", f"{row['agrees']:.0%}"
        table.add_row(name, str(passed.count), passed.text, *numbers, str(pointed.count), pointed.text)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
