"""The model, its hyperparameters, and the factory that joins data, model and callbacks into a `Learner`."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from learners.factory import image_learner
    from learners.models.resnet18 import ResNet18
    from learners.predictor import Predictor
    from learners.recipe import Recipe
    from learners.resume import resume_learner


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

from data.common.public import on_first_use  # noqa: E402  only now is it known whose package this is

_HOMES = {
    "Predictor": "predictor",
    "Recipe": "recipe",
    "ResNet18": "models.resnet18",
    "image_learner": "factory",
    "resume_learner": "resume",
}
__all__ = ["Predictor", "Recipe", "ResNet18", "image_learner", "resume_learner"]
__getattr__, __dir__ = on_first_use(__name__, _HOMES)
