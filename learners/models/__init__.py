"""The architectures that a recipe can name: one file each, found by itself."""

from collections.abc import Callable

from torch import nn

from data.common.discovery import import_modules
from learners.recipe import RecipeError

Build = Callable[[int, int], nn.Module]  # (classes, channels of the images) to a net that gives logits, N×classes
MODELS: dict[str, Build] = {}


def model(name: str) -> Callable[[Build], Build]:
    """Register an architecture under the name that `Recipe.model` and `model.json` give it."""

    def register(build: Build) -> Build:
        MODELS[name] = build
        return build

    return register


def build_model(name: str, n_classes: int, channels: int = 3) -> nn.Module:
    """A net of a registered architecture.

    Raises:
        RecipeError: there is no architecture of that name.
    """
    if name not in MODELS:
        raise RecipeError(f"`model` {name!r}: choose from {', '.join(sorted(MODELS))}, or pass the net itself")
    return MODELS[name](n_classes, channels)


def model_name(net: nn.Module) -> str:
    """What a recipe calls this net: the name of its architecture, or its class where that is not registered."""
    return next((name for name, build in MODELS.items() if build is type(net)), type(net).__name__)


import_modules(__name__, __path__)
