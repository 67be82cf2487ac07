"""HTML of the report: templates, and numbers as people read them. What a template is given is escaped."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> Markup:
    """The HTML of a template that a section holds."""
    return Markup(_environment().from_string(template).render(values))


def render_file(name: str, **values: Any) -> str:
    """The HTML of a file of the folder templates."""
    return _environment().get_template(name).render(values)


def percent(share: float) -> str:
    """A fraction as 93.03%."""
    return f"{share:.2%}"


def duration(seconds: float) -> str:
    """Seconds as 12.3 s, 4 min 5 s or 2 h 7 min."""
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
