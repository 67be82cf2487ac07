"""Findings about the pixels of all images together."""

from collections.abc import Iterator

from data.check.finding import Case, finding
from data.check.survey import Survey

CHANNELS = ("red", "green", "blue")


@finding("look", "colour channels with the same value in every pixel of every image")
def flat_channel(survey: Survey) -> Iterator[Case]:
    """Yield each colour channel that has one value in all pixels."""
    extremes = survey.features.extremes[survey.features.seen]
    for name, values in zip(CHANNELS, extremes.transpose(1, 0, 2), strict=True):
        if len(values) and values.min() == values.max():
            yield Case((name,), f"{values.min()} in every pixel")
