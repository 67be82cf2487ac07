"""Findings about files: unreadable ones, wrong suffixes, unusual shapes and animations."""

import os
from collections.abc import Iterator

from PIL import Image

from data.check.finding import Case, finding
from data.check.survey import Survey

MAX_ASPECT_RATIO = 3  # ratio of the sides above which a shape is unusual: the square crop shows less than a third
MIN_SIDE_PIXELS = 8  # pixels; smallest side that the model can use


@finding("stop", "empty files")
def empty(survey: Survey) -> Iterator[Case]:
    """Yield each file of 0 bytes, and each file that was deleted since it was listed."""
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.reason and not facts.bytes:
            yield Case((name,), "0 bytes" if os.path.exists(name) else "deleted")


@finding("stop", "files that are not images")
def no_image(survey: Survey) -> Iterator[Case]:
    """Yield each unreadable file whose format Pillow does not recognise."""
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.reason and facts.bytes and not facts.format:
            yield Case((name,), facts.reason)


@finding("stop", "truncated or damaged images")
def damaged(survey: Survey) -> Iterator[Case]:
    """Yield each unreadable file of a format that Pillow recognises."""
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.reason and facts.format:
            yield Case((name,), facts.reason)


@finding("look", "files whose content has another format than their suffix")
def misnamed(survey: Survey) -> Iterator[Case]:
    """Yield each file whose format differs from that of its suffix."""
    known = Image.registered_extensions()
    for name, facts in zip(survey.names, survey.facts, strict=True):
        named = known.get(os.path.splitext(name)[1].lower())
        if facts.format and named and _family(facts.format) != _family(named):
            yield Case((name,), f"{facts.format} inside")


def _family(kind: str) -> str:
    return {"MPO": "JPEG", "JPEG2000": "JPEG 2000"}.get(
        kind, kind
    )  # MPO is a JPEG file with a second picture, as some phones write it


@finding("look", "images of an unusual shape, of which the square crop shows little")
def shape(survey: Survey) -> Iterator[Case]:
    """Yield each image that is more than three times as long as wide, or smaller than 8 pixels."""
    for name, facts in zip(survey.names, survey.facts, strict=True):
        short, long = sorted((facts.width, facts.height))
        if facts.format and (long > MAX_ASPECT_RATIO * short or short < MIN_SIDE_PIXELS):
            yield Case((name,), f"{facts.width}×{facts.height}")


@finding("look", "animations, of which the first frame is used")
def animated(survey: Survey) -> Iterator[Case]:
    """Yield each file with several frames, except for MPO."""
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.frames > 1 and facts.format != "MPO":
            yield Case((name,), f"{facts.frames} frames")
