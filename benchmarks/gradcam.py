"""Claim: maps of 512 validation images cost at most 1.15 forward passes at the last block, and at most 1.6 at layer3.

Compared in one process, in turns for each batch, are the forward pass alone, this project at layer4 and at layer3, and
pytorch-grad-cam at the same layers (in the default memory layout, as in its documentation). The images are digits
enlarged to 32 pixels; the time depends neither on the pixels nor on the weights.

    python -m benchmarks.gradcam [--images 512] [--bs 64]
"""

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

import torch
from pytorch_grad_cam import GradCAM
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.report import write_report
from callbacks.gradcam.loader_images import chosen_batches
from callbacks.gradcam.maps import grad_cam
from learners import ResNet18, image_learner

LIMITS = {"grad_cam, layer4": 1.15, "grad_cam, layer3": 1.6}  # forward passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--bs", type=int, default=64)
    options = parser.parse_args()
    seconds = compare(options.images, options.bs)

    forward = seconds["forward pass"]
    ratios = {name: median(a / b for a, b in zip(s, forward, strict=True)) for name, s in seconds.items()}
    table = Table("contender", "images/s", "forward passes (median of batches)", "at most")
    for name, spent in seconds.items():
        table.add_row(name, f"{options.images / sum(spent):.1f}", f"{ratios[name]:.3f}", str(LIMITS.get(name, "")))
    Console(width=110).print(table)
    write_report("gradcam", {"options": vars(options), "seconds": seconds, "forward_passes": ratios})


def compare(images: int, bs: int) -> dict[str, list[float]]:
    """Return the seconds of each contender for each batch.

    The order rotates, so that a change of the machine's speed affects all contenders equally.
    """
    learn = image_learner("digits", size=32)
    idxs = [i % len(learn.dls.valid_ds) for i in range(images)]
    batches = [xb for xb, *_ in chosen_batches(learn.dls.valid.new(bs=bs), idxs)]
    contenders = all_contenders(learn.model.eval())
    for run in contenders.values():
        run(batches[0])  # warm up
    seconds = {name: [] for name in contenders}
    for turn, xb in enumerate(batches):
        names = list(contenders)
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            seconds[name].append(timed(contenders[name], xb))
    return seconds


def all_contenders(model: ResNet18) -> dict[str, Callable[[Tensor], object]]:
    contenders = {"forward pass": torch.no_grad()(model)}
    for layer in ("layer4", "layer3"):
        contenders[f"grad_cam, {layer}"] = partial(grad_cam, model, layer=layer)
        contenders[f"pytorch-grad-cam, {layer}"] = peer(layer, next(model.parameters()).device)
    return contenders


def peer(layer: str, device: torch.device) -> Callable[[Tensor], object]:
    model = ResNet18().to(device)
    cam = GradCAM(model=model, target_layers=[getattr(model, layer)])
    return lambda xb: cam(input_tensor=xb.contiguous(), targets=None)


def timed(run: Callable[[Tensor], object], xb: Tensor) -> float:
    started = perf_counter()
    run(xb)
    if xb.is_cuda:
        torch.cuda.synchronize()
    return perf_counter() - started


if __name__ == "__main__":
    main()
