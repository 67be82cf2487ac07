"""The loaders that `benchmarks.data_loading` compares.

Each is a function of a folder that returns a function of an epoch.
"""

from pathlib import Path

BATCH = 512
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def ours(folder: str, workers: int = 0):
    """Return this project's loader, with normalisation."""
    from data import image_dls
    from learners import Recipe

    dl = image_dls(folder, Recipe(batch_size=BATCH, workers=workers, device="cpu", cache="memory")).train
    return lambda: (x for x, _ in dl)


def ours_with_two_workers(folder: str):
    return ours(folder, workers=2)


def ours_beside_a_busy_thread(folder: str):
    """Return this project's loader beside another thread that runs Python all the time, as training does."""
    from threading import Thread

    def busy():
        while True:
            sum(range(1000))

    Thread(target=busy, daemon=True).start()
    return ours(folder)


def per_item_albumentations(folder: str):
    """Return a loader of a `Dataset` over images in memory that calls `A.Compose` for each image."""
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
    """Return a loader with the transforms of kuangliu/pytorch-cifar on PIL images, and an erased square."""
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
    """Return the loader of a `DataBlock` of PNG files with the Albumentations transform of fastai's tutorial."""
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
    """Return a loader with the same augmentation of whole batches in plain numpy, without reproducible randomness."""
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
    """Return the training images in memory, N×32×32×3."""
    from data import open_source
    from data.decoding.cache import load_pixels

    source = open_source(folder)
    return load_pixels(source, 32, "memory")[: len(source.train)].copy()


CONTENDERS = {
    "this project": ours,
    "this project, 2 workers": ours_with_two_workers,
    "this project, beside a busy thread": ours_beside_a_busy_thread,
    "per-item Albumentations": per_item_albumentations,
    "per-item torchvision": per_item_torchvision,
    "fastai's documented idiom": fastai_idiom,
    "bare numpy": bare_numpy,
}
