"""The registry of architectures. Every module of this package is imported and may register architectures."""

from collections.abc import Callable

from torch import nn

from data.common.discovery import import_modules
from learners.recipe import RecipeError

Build = Callable[[int, int], nn.Module]  # from the numbers of classes and image channels to a net with logits N×classes
MODELS: dict[str, Build] = {}  # architectures by name


def model(name: str) -> Callable[[Build], Build]:
    """Register the decorated class or function as an architecture.

    Args:
        name: the name for `Recipe.model` and `model.json`.
    """

    def register(build: Build) -> Build:
        MODELS[name] = build
        return build

    return register


def build_model(name: str, n_classes: int, channels: int = 3) -> nn.Module:
    """Return a new net of a registered architecture.

    Args:
        name: the name of the architecture.
        n_classes: number of classes.
        channels: number of channels of the images.

    Raises:
        RecipeError: there is no architecture of that name.
    """
    if name not in MODELS:
        raise RecipeError(f"`model` {name!r}: choose from {', '.join(sorted(MODELS))}, or pass the net itself")
    return MODELS[name](n_classes, channels)


def model_name(net: nn.Module) -> str:
    """Return the registered name of a net's architecture, or its class name if it is not registered."""
    return next((name for name, build in MODELS.items() if build is type(net)), type(net).__name__)


import_modules(__name__, __path__)
