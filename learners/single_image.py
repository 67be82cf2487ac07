"""A training batch of one image, in words that help."""

from collections.abc import Iterator
from contextlib import contextmanager

from data.common.errors import TrainingError

TORCH_SAYS = "Expected more than 1 value per channel"


@contextmanager
def naming_single_image() -> Iterator[None]:
    """Turn the error of a batch norm that sees one value in each channel into a `TrainingError`.

    Whether a model can train on one image shows only when it is tried: a norm over larger maps can.
    """
    try:
        yield
    except ValueError as error:
        if TORCH_SAYS not in str(error):
            raise
        raise TrainingError(
            "a training batch holds one image, and a norm of this model needs more; give another `batch_size`, "
            "or a training loader with drop_last=True where only the last batch is short"
        ) from error
