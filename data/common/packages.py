"""Check for optional packages, which only a part of the program needs."""

from collections.abc import Sequence
from importlib.util import find_spec

from data.common.errors import InputError


def check_installed(what: str, modules: Sequence[str], packages: Sequence[str], error: type[InputError]) -> None:
    """Raise an error that names the missing modules and the pip command that installs them.

    Args:
        what: the feature that needs the modules, as the message names it.
        modules: import names of the modules.
        packages: pip names of the packages to install.
        error: class of the error to raise.

    Raises:
        InputError: a module is not installed; the class is `error`.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        raise error(
            f"{what} needs packages that are not installed ({', '.join(missing)}): pip install {' '.join(packages)}"
        )
