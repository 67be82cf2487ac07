"""Import all modules of a package, so that a new source, method or finding is one new file."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules


def import_modules(package: str, folders: Iterable[str]) -> None:
    """Import every module of a package, so that their decorators register what they define.

    Args:
        package: the `__name__` of the package.
        folders: the `__path__` of the package.
    """
    for module in iter_modules(folders):
        import_module(f"{package}.{module.name}")
