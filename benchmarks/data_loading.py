"""Claim: in one process without workers, a `DataBlock` with Albumentations feeds at least 12 times as many
images a second as the per-item loaders that people write, 70 times as many as fastai's documented idiom, and
0.6 of bare numpy, on CIFAR-10; two workers do not make it slower.

    python -m benchmarks.data_loading [--data FOLDER] [--rounds 5]

Everyone reflect-pads by 4 and crops, mirrors, blanks 8×8 pixels and normalises to float32 N×3×32×32, in
batches of 512. Each contender has a process and one thread of its own; they take turns, and a ratio is the
median over the rounds. Rates are given by the clock and by the CPU time of the process, which other work on
the machine disturbs less. `--data` is CIFAR-10 as a folder: by default fastai's, else a set of its shape.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}

BATCH = 512
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
TARGETS = {  # contender: what our rate must be, as a multiple of theirs
    "per-item Albumentations": 12,
    "per-item torchvision": 12,
    "fastai's documented idiom": 70,
    "bare numpy": 0.6,
}


def ours(folder: str, workers: int = 0):
    """The project's own loaders, with normalisation."""
    from data import image_dls
    from learners import Recipe

    dl = image_dls(folder, Recipe(batch_size=BATCH, workers=workers, device="cpu", cache="memory")).train
    return lambda: (x for x, _ in dl)


def ours_with_two_workers(folder: str):
    return ours(folder, workers=2)


def per_item_albumentations(folder: str):
    """A `Dataset` over images in memory that calls `A.Compose` for each."""
    import albumentations as A
    import cv2

    steps = [
        A.PadIfNeeded(40, 40, border_mode=cv2.BORDER_REFLECT_101),
        A.RandomCrop(32, 32),
        A.HorizontalFlip(p=0.5),
        A.CoarseDropout((1, 1), (8, 8), (8, 8), p=1),
        A.Normalize(MEAN, STD),
        A.ToTensorV2(),
    ]
    pipeline = A.Compose(steps)
    return _per_item(folder, 5000, lambda image: pipeline(image=image)["image"])


def per_item_torchvision(folder: str):
    """The transforms of kuangliu/pytorch-cifar, which work on PIL images, and an erased square."""
    from PIL import Image
    from torchvision import transforms as T

    steps = [
        T.RandomCrop(32, padding=4, padding_mode="reflect"),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize(MEAN, STD),
        T.RandomErasing(p=1, scale=(1 / 16, 1 / 16), ratio=(1, 1)),
    ]
    pipeline = T.Compose(steps)
    return _per_item(folder, 5000, lambda image: pipeline(Image.fromarray(image)))


def _per_item(folder: str, count: int, transform):
    from torch.utils.data import DataLoader, Dataset

    images = _pixels(folder)[:count]

    class Images(Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            return transform(images[i])

    return DataLoader(Images(), batch_size=BATCH, shuffle=True, drop_last=True).__iter__


def fastai_idiom(folder: str):
    """A `DataBlock` that reads PNG files, with the Albumentations transform of fastai's tutorial."""
    import albumentations as A
    import cv2
    import numpy as np
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.data.transforms import IndexSplitter, Normalize, get_image_files, parent_label
    from fastai.vision.augment import RandTransform
    from fastai.vision.core import PILImage
    from fastai.vision.data import ImageBlock

    class Augment(RandTransform):
        split_idx, order = 0, 2

        def __init__(self, pipeline):
            super().__init__()
            self.pipeline = pipeline

        def encodes(self, image: PILImage):
            return PILImage.create(self.pipeline(image=np.array(image))["image"])

    steps = [
        A.PadIfNeeded(40, 40, border_mode=cv2.BORDER_REFLECT_101),
        A.RandomCrop(32, 32),
        A.HorizontalFlip(p=0.5),
        A.CoarseDropout((1, 1), (8, 8), (8, 8), p=1),
    ]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        splitter=IndexSplitter([0]),
        get_y=parent_label,
        item_tfms=Augment(A.Compose(steps)),
        batch_tfms=Normalize.from_stats(MEAN, STD, cuda=False),
    )
    files = get_image_files(Path(folder) / "train")[: 2 * BATCH + 1]
    dl = block.dataloaders(files, bs=BATCH, num_workers=0, device="cpu").train
    return lambda: (x for x, _ in dl)


def bare_numpy(folder: str):
    """The same augmentation over whole batches in numpy alone: no framework, no keys."""
    import numpy as np
    from numpy.lib.stride_tricks import sliding_window_view

    images, rng = _pixels(folder), np.random.default_rng(0)
    scale = np.tile(1 / (255 * np.float32(STD)), 32)
    shift = np.tile(np.float32(MEAN) / np.float32(STD), 32)

    def batch(chosen):
        x = np.pad(images[chosen], [(0, 0), (4, 4), (4, 4), (0, 0)], "reflect")
        n, (row, column) = len(x), rng.integers(0, 9, (2, len(x)))
        x = sliding_window_view(x.reshape(n, 40, 120), (32, 96), axis=(1, 2))[:, :, ::3][range(n), row, column]
        x = x.reshape(n, 32, 32, 3)
        mirrored = rng.random(n) < 0.5
        x[mirrored] = x[mirrored, :, ::-1]
        top, left = rng.integers(0, 25, (2, n))
        squares = sliding_window_view(x.reshape(n, 32, 96), (8, 24), axis=(1, 2), writeable=True)[:, :, ::3]
        squares[range(n), top, left] = 0
        x = x.reshape(n, 32, 96) * scale
        x -= shift
        return x.reshape(n, 32, 32, 3).transpose(0, 3, 1, 2)

    def epoch():
        order = rng.permutation(len(images))
        return (batch(order[i : i + BATCH]) for i in range(0, len(order) - BATCH + 1, BATCH))

    return epoch


def _pixels(folder: str):
    """The training images in memory, N×32×32×3."""
    from data.cache import load_pixels
    from data.sources import open_source

    source = open_source(folder)
    return load_pixels(source, 32, "memory")[: len(source.train)].copy()


CONTENDERS = {
    "this project": ours,
    "this project, 2 workers": ours_with_two_workers,
    "per-item Albumentations": per_item_albumentations,
    "per-item torchvision": per_item_torchvision,
    "fastai's documented idiom": fastai_idiom,
    "bare numpy": bare_numpy,
}


def prepare(contender: str, folder: str) -> None:
    """In the contender's own process: build the loader and warm it up."""
    global epoch
    import torch

    torch.set_num_threads(1)
    epoch = CONTENDERS[contender](folder)
    next(iter(epoch()))


def measure() -> tuple[float, float]:
    """Images a second over one epoch, by the clock and by CPU time."""
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    for x in epoch():
        assert tuple(x.shape[1:]) == (3, 32, 32)
        count += len(x)
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def take_turns(folder: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    spawn = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(1, spawn, initializer=prepare, initargs=(name, folder)) for name in CONTENDERS}
    rates = {name: [] for name in pools}
    for _ in range(rounds):
        for name, pool in pools.items():
            rates[name].append(pool.submit(measure).result())
    for pool in pools.values():
        pool.shutdown()
    return rates


def made_set(folder: Path) -> str:
    """50,000 random images of CIFAR-10's shape."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in (("train", 5000), ("test", 100)):
        for label in range(10):
            place = folder / split / f"class{label}"
            place.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(place / f"{i}.png")
    return str(folder)


def report(rates: dict[str, list[tuple[float, float]]], data: str) -> dict:
    table = {}
    print(f"{'images/s in one process':28}{'clock':>9}{'ours is':>9}{'CPU':>9}{'ours is':>9}{'wanted':>8}")
    for name, theirs in rates.items():
        row = {"wanted": TARGETS.get(name)}
        for i, timer in enumerate(("clock", "cpu")):
            row[timer] = statistics.median(rate[i] for rate in theirs)
            pairs = zip(rates["this project"], theirs, strict=True)
            row[f"ours_is_by_{timer}"] = statistics.median(ours[i] / other[i] for ours, other in pairs)
        table[name] = row | {"rounds": theirs}
        print(
            f"{name:28}{row['clock']:>9,.0f}{row['ours_is_by_clock']:>8.2f}x"
            f"{row['cpu']:>9,.0f}{row['ours_is_by_cpu']:>8.2f}x{row['wanted'] or '':>8}"
        )
    return {"data": data, "contenders": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="CIFAR-10 as a folder of train/ and test/")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    from fastai.data.external import fastai_path

    from benchmarks.report import write_report  # imports torch, which reads the number of threads

    folder = args.data or str(fastai_path("data") / "cifar10")
    with tempfile.TemporaryDirectory() as scratch:
        data = "CIFAR-10"
        if not Path(folder).is_dir():
            folder, data = made_set(Path(scratch) / "made"), "random images of CIFAR-10's shape"
        result = report(take_turns(folder, args.rounds), data)
    write_report("data_loading", result)


if __name__ == "__main__":
    main()
