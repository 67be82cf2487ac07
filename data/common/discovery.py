"""Packages whose modules are found by themselves: a new one is one new file."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules


def import_modules(package: str, folders: Iterable[str]) -> None:
    """Import every module of a package, so that each can register what it holds.

    Args:
        package: its `__name__`.
        folders: its `__path__`.
    """
    for module in iter_modules(folders):
        import_module(f"{package}.{module.name}")
