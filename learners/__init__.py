"""The model, its hyperparameters, and the factory that joins data, model and callbacks into a `Learner`."""

from importlib import import_module

_HOMES = {"Recipe": "recipe", "ResNet18": "resnet", "image_learner": "factory", "resume_learner": "resume"}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """Import a public name on first use: `app.py --help` needs `Recipe` and must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'learners' has no attribute {name!r}")
    return getattr(import_module(f"learners.{_HOMES[name]}"), name)
