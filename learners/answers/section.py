"""The registry of the report's sections.

A section is a function from a `RunReport` to HTML, in a module of learners/answers/sections, whose modules are all
imported:

    @section("Images of one colour", order=95)
    def one_colour(report: RunReport) -> Markup | None: ...

It returns None if the section does not apply to the run.
"""

from collections.abc import Callable
from typing import NamedTuple

from markupsafe import Markup

from data.common.discovery import import_modules
from learners.answers import sections as package
from learners.answers.run_report import RunReport

Make = Callable[[RunReport], Markup | None]


class Section(NamedTuple):
    """A registered section.

    Attributes:
        title: heading of the section.
        order: position; the section with the lowest number comes first.
        make: function from the data of a run to HTML.
    """

    title: str
    order: int
    make: Make


SECTIONS: dict[str, Section] = {}  # sections by anchor


def section(title: str, order: int) -> Callable[[Make], Make]:
    """Register the decorated function as a section; its name is the anchor of the section in the page.

    Args:
        title: heading of the section.
        order: position; the sections of this project have 10, 20 and so on.
    """

    def register(make: Make) -> Make:
        SECTIONS[make.__name__.replace("_", "-")] = Section(title, order, make)
        return make

    return register


def all_sections() -> dict[str, Section]:
    """Return all sections by anchor, in the order in which they appear."""
    import_modules(package.__name__, package.__path__)
    return dict(sorted(SECTIONS.items(), key=lambda item: item[1].order))
