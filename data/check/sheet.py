"""The contact sheet of `check`: a figure with the pictures that the findings concern."""

import math
import os
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from data.check.finding import Finding
from data.check.report import CheckReport
from data.common.errors import DataError
from data.common.text import shown
from data.decoding.reading import fitted, open_rgb

COLUMNS, ROWS = 8, 2  # columns and rows of pictures for each kind of finding
PICTURES_PER_CASE = 2  # pictures that are shown of one case
PICTURE_INCHES = 1.2  # width and height of a picture in the figure
CAPTION_INCHES = 0.45  # height of the lines above and below a picture
HEADING_INCHES = 0.5  # height of the heading of a kind of finding
PICTURE_PIXELS = 128  # side to which a picture is resized
MAX_LINE_CHARS = 19  # longest line above or below a picture


class Tile(NamedTuple):
    """One picture of the sheet.

    Attributes:
        path: path of the image file.
        above: line of text above the picture.
        below: line of text below the picture.
    """

    path: str
    above: str
    below: str


def contact_sheet(report: CheckReport) -> Figure | None:
    """Returns a figure with the first cases of each kind of finding, two pictures per case.

    Returns None if no finding concerns image files. A picture that cannot be read is shown as a grey square.
    """
    sections = [(one, _tiles(one, report.survey.root)) for one in report.findings]
    sections = [(one, tiles) for one, tiles in sections if tiles]
    if not sections:
        return None
    heights = [HEADING_INCHES + (PICTURE_INCHES + CAPTION_INCHES) * _rows(tiles) for _, tiles in sections]
    figure = Figure(figsize=(COLUMNS * PICTURE_INCHES, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(sections), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (one, tiles) in zip(parts, sections, strict=True):
        _show_section(part, f"{one.sentence}: {len(one.cases):,}", tiles)
    return figure


def _tiles(finding: Finding, root: str) -> list[Tile]:
    """Returns the pictures of the first cases of a finding, with paths relative to `root` above them."""
    tiles = []
    for case in finding.cases[: COLUMNS * ROWS]:
        paths = [path for path in case.names[:PICTURES_PER_CASE] if os.path.isfile(path)]
        notes = [
            shown(case.note)[: MAX_LINE_CHARS * len(paths)],
            *[""] * (PICTURES_PER_CASE - 1),
        ]  # the note runs below all pictures of the case
        tiles += [
            Tile(path, _last_chars(path.removeprefix(f"{root}{os.sep}")), note)
            for path, note in zip(paths, notes, strict=False)
        ]
    return tiles[: COLUMNS * ROWS]


def _last_chars(path: str) -> str:
    """Returns a path, shortened at its start to the longest line."""
    text = shown(path)
    return text if len(text) <= MAX_LINE_CHARS else f"…{text[1 - MAX_LINE_CHARS :]}"


def _rows(tiles: list[Tile]) -> int:
    return math.ceil(len(tiles) / COLUMNS)


def _show_section(part: SubFigure, heading: str, tiles: list[Tile]) -> None:
    part.suptitle(heading, x=0.01, ha="left", fontsize=10, weight="bold")
    for axes in part.subplots(_rows(tiles), COLUMNS, squeeze=False).ravel():
        axes.set_axis_off()
        if tiles:
            _show_tile(axes, tiles.pop(0))


def _show_tile(axes: Axes, tile: Tile) -> None:
    for text, height, side in ((tile.above, 1.03, "bottom"), (tile.below, -0.03, "top")):
        # a name may contain dollar signs, and a long one must not move the pictures
        axes.text(0, height, text, fontsize=6.5, va=side, transform=axes.transAxes, parse_math=False, in_layout=False)
    try:
        axes.imshow(fitted(open_rgb(tile.path), PICTURE_PIXELS))
    except DataError:
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor="0.9", edgecolor="0.6"))
        axes.set_aspect("equal")
