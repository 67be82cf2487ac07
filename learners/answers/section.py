"""The sections of the report: each is a function that is found by itself.

A section is a function from a `RunReport` to HTML, in a module of learners/answers/sections:

    @section("Images of one colour", order=95)
    def one_colour(report: RunReport) -> Markup | None: ...

It returns None where it has nothing to say about this run.
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
        title: its heading.
        order: sections stand by rising order.
        make: from a report to its HTML.
    """

    title: str
    order: int
    make: Make


SECTIONS: dict[str, Section] = {}


def section(title: str, order: int) -> Callable[[Make], Make]:
    """Register the decorated function as a section; the name of the function is that of its anchor in the page.

    Args:
        title: its heading.
        order: where it stands: the sections of this project have 10, 20 and so on.
    """

    def register(make: Make) -> Make:
        SECTIONS[make.__name__.replace("_", "-")] = Section(title, order, make)
        return make

    return register


def all_sections() -> dict[str, Section]:
    """The sections by the name of their anchor, in their order."""
    import_modules(package.__name__, package.__path__)
    return dict(sorted(SECTIONS.items(), key=lambda item: item[1].order))
