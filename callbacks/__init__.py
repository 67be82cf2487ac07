"""Callbacks: they watch the training loop and never feed data back. One file or folder, one idea."""

from importlib import import_module

_HOMES = {
    "GradCAMCallback": "gradcam.callback",
    "GradCAMInterpretation": "gradcam.interpretation",
    "grad_cam": "gradcam.maps",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """Import a public name on first use: what needs one callback must not wait for the others."""
    if name not in _HOMES:
        raise AttributeError(f"module 'callbacks' has no attribute {name!r}")
    return getattr(import_module(f"callbacks.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return __all__
