"""Classes of very different size: what is said about them, and how the training loss can make up for it."""

import logging
from collections import Counter

import torch
from torch import Tensor

from data import Source

log = logging.getLogger(__name__)

STRONG = 10  # times as many images in the largest class as in the smallest


def class_weights(source: Source) -> Tensor | None:
    """Weights in inverse proportion to the number of training images of each class: C, float32.

    Their mean over the training images is 1. A class without training images has the weight 0; without any training
    images there are no weights.
    """
    counts = Counter(image.label for image in source.train)
    if not counts:
        return None
    share = len(source.train) / len(counts)
    return torch.tensor([share / counts[name] if counts[name] else 0.0 for name in source.classes])


def log_class_balance(source: Source, balance: bool) -> None:
    """Say in the log that the loss is weighted, or that it might be where the classes differ much in size."""
    counts = Counter(image.label for image in source.train)
    (most, largest), (least, smallest) = counts.most_common()[0], counts.most_common()[-1]
    uneven = f"{largest:,} training images of {most} and {smallest:,} of {least}"
    if balance:
        log.warning("the training loss is weighted by class (%s); the validation loss and metrics are not", uneven)
    elif largest > STRONG * smallest:
        log.warning("the classes differ much in size: %s; `balance` weighs the training loss by class", uneven)
