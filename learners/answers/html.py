"""Render and write the HTML of reports. Values in templates are escaped."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from data.common.errors import InputError
from data.common.files import replacing


class PageError(InputError):
    """The page cannot be written."""


def render(template: str, **values: Any) -> Markup:
    """Return the HTML of a template.

    Args:
        template: the source of a Jinja template.
        values: its variables.
    """
    return Markup(_environment().from_string(template).render(values))


def write_page(path: Path, title: str, sections: Sequence[tuple[str, str, Markup]]) -> Path:
    """Write a page, and return its path.

    Args:
        path: the file.
        title: the title of the page.
        sections: anchor, title and HTML of each section.

    Raises:
        PageError: the file cannot be written.
    """
    page = _environment().get_template("page.html").render(title=title, sections=sections)
    try:
        with replacing(path) as draft:
            draft.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PageError(
            f"{path} cannot be written ({error.strerror}); fix that, or name another file as `out`"
        ) from error
    return path


def percent(share: float) -> str:
    """Return a fraction as a percentage, such as 93.03%."""
    return f"{share:.2%}"


def duration(seconds: float) -> str:
    """Return seconds as text, such as 12.3 s, 4 min 5 s or 2 h 7 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@cache
def _environment() -> Environment:
    loader = PackageLoader("learners.answers", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"percent": percent, "duration": duration}
    return made
