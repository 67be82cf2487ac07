"""The model, its hyperparameters, and the factory that joins data, model and callbacks into a `Learner`."""

from importlib import import_module
from pathlib import Path

_HOMES = {"Recipe": "recipe", "ResNet18": "resnet", "image_learner": "factory", "resume_learner": "resume"}
__all__ = sorted(_HOMES)


def _check_neighbours() -> None:
    """Refuse packages of the same name that come from elsewhere on the path.

    Raises:
        ImportError: `data` or `callbacks` is another project's.
    """
    for name in ("data", "callbacks"):
        found = import_module(name).__file__
        if found is None or Path(found).parents[1] != Path(__file__).parents[1]:
            raise ImportError(
                f"the package {name!r} was found at {found or 'a folder without __init__.py'}, not beside {__file__}; "
                "remove that place from the import path, or use this project in an environment of its own"
            )


_check_neighbours()


def __getattr__(name: str):
    """Import a public name on first use: `app.py --help` needs `Recipe` and must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'learners' has no attribute {name!r}")
    return getattr(import_module(f"learners.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return __all__
