"""Files that cannot be read, or that are not what their name says."""

import os
from collections.abc import Iterator

from PIL import Image

from data.check.finding import Case, finding
from data.check.survey import Survey

MAX_ASPECT_RATIO = 3  # times as long as wide: the square that is cut out shows less than a third
MIN_SIDE_PIXELS = 8  # pixels, the least that the net can use


@finding("stop", "empty files")
def empty(survey: Survey) -> Iterator[Case]:
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.reason and not facts.bytes:
            yield Case((name,), "0 bytes" if os.path.exists(name) else "gone")


@finding("stop", "files that hold no image")
def no_image(survey: Survey) -> Iterator[Case]:
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.reason and facts.bytes and not facts.format:
            yield Case((name,), facts.reason)


@finding("stop", "images that are cut off or damaged")
def damaged(survey: Survey) -> Iterator[Case]:
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.reason and facts.format:
            yield Case((name,), facts.reason)


@finding("look", "files whose content is of another format than their name says")
def misnamed(survey: Survey) -> Iterator[Case]:
    known = Image.registered_extensions()
    for name, facts in zip(survey.names, survey.facts, strict=True):
        named = known.get(os.path.splitext(name)[1].lower())
        if facts.format and named and _family(facts.format) != _family(named):
            yield Case((name,), f"{facts.format} inside")


def _family(kind: str) -> str:
    return {"MPO": "JPEG", "JPEG2000": "JPEG 2000"}.get(kind, kind)  # a phone's photograph with a second one behind it


@finding("look", "images of an unusual shape, of which a square shows little")
def shape(survey: Survey) -> Iterator[Case]:
    for name, facts in zip(survey.names, survey.facts, strict=True):
        short, long = sorted((facts.width, facts.height))
        if facts.format and (long > MAX_ASPECT_RATIO * short or short < MIN_SIDE_PIXELS):
            yield Case((name,), f"{facts.width}×{facts.height}")


@finding("look", "animations, of which the first frame is used")
def animated(survey: Survey) -> Iterator[Case]:
    for name, facts in zip(survey.names, survey.facts, strict=True):
        if facts.frames > 1 and facts.format != "MPO":
            yield Case((name,), f"{facts.frames} frames")
