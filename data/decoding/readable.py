"""Test-read every image before the first training step, if the images are not all decoded in advance."""

from collections.abc import Sequence

from data.common.errors import DataError
from data.decoding.cache_files import cache_path
from data.decoding.decode import SKIP_BAD_ADVICE, read_errors
from data.items import ImageItem


def cached_read_errors(images: Sequence[ImageItem], name: str, stamp: str | None) -> dict[int, str]:
    """Returns the error messages of the images that cannot be read, by their positions in `images`.

    If all images can be read, a marker file records it, and they are not read again until one of the files changes.

    Args:
        images: the images to read.
        name: name of the source.
        stamp: stamp of the source; see `Source`. With None the images are read each time.
    """
    marker = stamp and cache_path(name, stamp, "readable")
    if marker and marker.exists():
        return {}
    bad = read_errors(images)
    if marker and not bad:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return bad


def require_readable(images: Sequence[ImageItem], name: str, stamp: str | None) -> None:
    """Raise an error if an image cannot be read.

    Args:
        images: see `cached_read_errors`.
        name: see `cached_read_errors`.
        stamp: see `cached_read_errors`.

    Raises:
        DataError: at least one image cannot be read; the message names the first one.
    """
    bad = cached_read_errors(images, name, stamp)
    if bad:
        more = f" ({len(bad) - 1:,} more cannot be read either)" if len(bad) > 1 else ""
        raise DataError(f"{bad[min(bad)]}{SKIP_BAD_ADVICE}{more}")
