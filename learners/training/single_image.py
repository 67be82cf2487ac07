"""Explain the error of norm layers in a training batch of one image."""

from collections.abc import Iterator
from contextlib import contextmanager

from data.common.errors import TrainingError

TORCH_MESSAGE = "Expected more than 1 value per channel"


@contextmanager
def naming_single_image() -> Iterator[None]:
    """In this context the error of a batch norm with one value per channel becomes a plain message.

    Whether a model can train on one image is known only from this error: a norm layer over larger feature maps can.

    Raises:
        TrainingError: a batch norm has one value per channel.
    """
    try:
        yield
    except ValueError as error:
        if TORCH_MESSAGE not in str(error):
            raise
        raise TrainingError(
            "a training batch holds one image, and a norm layer of this model needs more; set another `batch_size`, or "
            "drop_last=True in the training loader if only the last batch is short"
        ) from error
