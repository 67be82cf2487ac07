"""Claim: the default recipe beats plain SGD at small scale too, on a CPU, over the same three seeds.

The runs train on 5,000 images of CIFAR-10 at 16 pixels for 12 epochs and are tested on 5,000. The plain recipe has no
label smoothing, no average of the weights, no cutout, PyTorch's initial weights, one learning rate for all parameters,
a cosine decay, a weight decay of 5e-4, and random crops and flips. Peak learning rate, peak epoch and batch size are
the same.

    python -m benchmarks.small_scale [--seeds 3] [--at-once 2] [--budget SECONDS]

Finished runs are kept in `runs/small_scale`, and a second call continues from there.
"""

import argparse
import math

from benchmarks.runs import Job, compare

SCALE = "--data cifar10 --limit 5000 --size 16 --epochs 12 --device cpu"
RECIPES = {
    "default": "",
    "plain": "--label-smoothing 0 --no-ema --no-whiten --cutout 0 --mirror random --norm-bias-lr-scale 1 "
    "--decay cosine --weight-decay 5e-4",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds")
    options = parser.parse_args()
    jobs = [
        Job(recipe, seed, tuple(f"{SCALE} {flags}".split()), tta=False)
        for seed in range(options.seeds)
        for recipe, flags in RECIPES.items()
    ]
    compare("small_scale", jobs, options.at_once, options.budget)


if __name__ == "__main__":
    main()
