"""What the pixels of all images together lack."""

from collections.abc import Iterator

from data.check.finding import Case, finding
from data.check.survey import Survey

CHANNELS = ("red", "green", "blue")


@finding("look", "channels of colour that are the same in every pixel of every image")
def flat_channel(survey: Survey) -> Iterator[Case]:
    extremes = survey.features.extremes[survey.features.seen]
    for name, values in zip(CHANNELS, extremes.transpose(1, 0, 2), strict=True):
        if len(values) and values.min() == values.max():
            yield Case((name,), f"{values.min()} in every pixel")
