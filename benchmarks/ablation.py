"""Question: which pieces of the recipe help, in the mean of several seeds?

Each variant differs from the base in one piece. Training images only: part of them is held out.

    python -m benchmarks.ablation [--scale small|full] [--seeds 2] [--at-once 2] [--budget SECONDS]

small: 2,500 images at 16 pixels for 6 epochs, 1,000 held out, for a CPU. full: 45,000 images for 24 epochs, 5,000
held out, for a GPU. What has run is kept in `runs/ablation_<scale>`, and a second call goes on from there.
"""

import argparse
import math

from benchmarks.runs import Job, compare

SCALES = {  # flags, and the peak rate that the recipe has by default at their batch size
    "small": ("--limit 2500 --size 16 --epochs 6 --holdout 1000 --device cpu", 0.1),
    "full": ("--holdout 5000", 0.4),
}
BASE = "--no-zero-init --no-whiten --bias-lr 1"


def variants(rate: float) -> dict[str, str]:
    """Flags of each variant, the widest expected gain first."""
    return {
        "base": "",
        "half-rate": f"--lr {rate / 2}",
        "zero-init": "--zero-init",
        "whiten": "--whiten",
        "bias-lr-8": "--bias-lr 8",
        "double-rate": f"--lr {2 * rate}",
        "no-ema": "--no-ema",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds")
    options = parser.parse_args()
    scale, rate = SCALES[options.scale]
    jobs = [
        Job(name, seed, tuple(f"{scale} {BASE} {flags}".split()), tta=False)
        for seed in range(options.seeds)
        for name, flags in variants(rate).items()
    ]
    compare(f"ablation_{options.scale}", jobs, options.at_once, options.budget)


if __name__ == "__main__":
    main()
