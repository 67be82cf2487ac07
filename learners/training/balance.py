"""Class weights of the training loss, and log messages about classes of very different size."""

import logging
from collections import Counter

import torch
from torch import Tensor

from data import Source

log = logging.getLogger(__name__)

MAX_SIZE_RATIO = 10  # ratio of the largest to the smallest class above which a warning is logged


def class_weights(source: Source) -> Tensor | None:
    """Return class weights in inverse proportion to the number of training images of each class: C, float32.

    Their mean over the training images is 1. A class without training images has the weight 0. Returns None if there
    are no training images.
    """
    counts = Counter(image.label for image in source.train)
    if not counts:
        return None
    share = len(source.train) / len(counts)
    return torch.tensor([share / counts[name] if counts[name] else 0.0 for name in source.classes])


def log_class_balance(source: Source, balance: bool) -> None:
    """Log that the loss is weighted by class, or suggest it if the classes differ much in size.

    Args:
        source: the images.
        balance: whether the loss is weighted.
    """
    counts = Counter(image.label for image in source.train)
    (most, largest), (least, smallest) = counts.most_common()[0], counts.most_common()[-1]
    uneven = f"{largest:,} training images of {most} and {smallest:,} of {least}"
    if balance:
        log.warning("the training loss is weighted by class (%s); the validation loss and metrics are not", uneven)
    elif largest > MAX_SIZE_RATIO * smallest:
        log.warning("the classes differ much in size: %s; `balance` weights the training loss by class", uneven)
