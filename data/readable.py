"""Try every image of a set before the first training step, where no decoding of them all tells which are damaged."""

from collections.abc import Sequence

from data.common.errors import DataError
from data.decode import ADVICE, unreadable
from data.items import ImageItem
from data.kept import kept_path


def tried(images: Sequence[ImageItem], name: str, stamp: str | None) -> dict[int, str]:
    """For each image that cannot be read, at its position, what is wrong with which file.

    A set without such images is remembered, and not read again until one of its files changes.

    Args:
        name, stamp: of the source; see `Source`.
    """
    mark = stamp and kept_path(name, stamp, "readable")
    if mark and mark.exists():
        return {}
    bad = unreadable(images)
    if mark and not bad:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return bad


def require_readable(images: Sequence[ImageItem], name: str, stamp: str | None) -> None:
    """Try every image.

    Raises:
        DataError: one or more cannot be read; the first is named.
    """
    bad = tried(images, name, stamp)
    if bad:
        more = f" ({len(bad) - 1:,} more cannot be read either)" if len(bad) > 1 else ""
        raise DataError(f"{bad[min(bad)]}{ADVICE}{more}")
