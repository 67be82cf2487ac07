"""Learners, models, recipes, runs, and everything that is made from a run: reports, predictions and exports."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from learners.factory import image_learner
    from learners.models.resnet18 import ResNet18
    from learners.prediction.predictor import Predictor
    from learners.recipe import Recipe
    from learners.resume import resume_learner


def _check_sibling_packages() -> None:
    """Check that the packages `data` and `callbacks` on the import path are those of this project.

    Raises:
        ImportError: one of them belongs to another project.
    """
    for name in ("data", "callbacks"):
        found = import_module(name).__file__
        if found is None or Path(found).parents[1] != Path(__file__).parents[1]:
            raise ImportError(
                f"the package {name!r} was found at {found or 'a folder without __init__.py'}, not beside {__file__}; "
                "remove that folder from the import path, or use this project in an environment of its own"
            )


_check_sibling_packages()

from data.common.public import on_first_use  # noqa: E402  `data` must be checked first

_PUBLIC_MODULES = {
    "Predictor": "prediction.predictor",
    "Recipe": "recipe",
    "ResNet18": "models.resnet18",
    "image_learner": "factory",
    "resume_learner": "resume",
}
__all__ = ["Predictor", "Recipe", "ResNet18", "image_learner", "resume_learner"]
__getattr__, __dir__ = on_first_use(__name__, _PUBLIC_MODULES)
