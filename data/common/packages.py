"""Packages that only a part of the program needs, and that a user may not have."""

from collections.abc import Sequence
from importlib.util import find_spec

from data.common.errors import InputError


def check_installed(what: str, modules: Sequence[str], packages: Sequence[str], error: type[InputError]) -> None:
    """Refuse what needs modules that are not there, before any of them is imported.

    Args:
        what: needs them, in the words of a message.
        modules: by the names that `import` knows.
        packages: by the names that pip knows.
        error: to raise.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        raise error(
            f"{what} needs packages that are not installed ({', '.join(missing)}): pip install {' '.join(packages)}"
        )
