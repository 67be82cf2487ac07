"""Findings about files and folders that are not part of the data set."""

import os
from collections.abc import Iterator

from data.check.finding import Case, finding, images
from data.check.survey import Survey


@finding("wrong", "folders with images that are not used")
def unused_images(survey: Survey) -> Iterator[Case]:
    """Yield each folder with unused images, with their paths."""
    folders: dict[str, list[str]] = {}
    for name in survey.unused.images:
        folders.setdefault(os.path.dirname(name), []).append(name)
    yield from (Case(tuple(names), f"{images(len(names))} in this folder") for names in folders.values())


@finding("look", "broken links")
def dead_links(survey: Survey) -> Iterator[Case]:
    """Yield each broken link."""
    yield from (Case((name,)) for name in survey.unused.dead)


@finding("look", "empty folders")
def empty_folders(survey: Survey) -> Iterator[Case]:
    """Yield each empty folder."""
    yield from (Case((name,)) for name in survey.unused.empty)
