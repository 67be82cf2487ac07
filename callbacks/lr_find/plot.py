"""The picture of a range test."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from callbacks.lr_find.finder import LRFound

RAW, SMOOTH, CHOICE = "#8fb3d4", "#1d4f80", "#d9622b"
MARKERS = {"valley": "o", "slide": "s", "steep": "^", "minimum": "D"}


def plot_lr(found: "LRFound") -> Figure:
    """Loss over rate, log axis: every step of every sweep, the smoothed curve, the suggestions, the range shaded."""
    figure = Figure(figsize=(9.5, 5), layout="constrained")
    axes = figure.subplots()
    for i, sweep in enumerate(found.sweeps):
        axes.plot(sweep.lrs, sweep.losses, ".", ms=4, color=RAW, alpha=0.7, label=None if i else "each step")
    if len(found.curve.lrs):
        axes.plot(found.curve.lrs, found.curve.losses, color=SMOOTH, lw=2, label="smoothed")
    _mark_suggestions(axes, found)
    _mark_choice(axes, found)
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
    _frame(axes, found)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def _mark_suggestions(axes: Axes, found: "LRFound") -> None:
    for name, lr in found.suggestions.items():
        if lr is not None:
            axes.plot(lr, found.loss_at(lr), MARKERS[name], color=SMOOTH, mec="white", ms=9, label=f"{name} {lr:.2g}")


def _mark_choice(axes: Axes, found: "LRFound") -> None:
    if found.lr is None:
        axes.set_title(f"No suggestion: {found.abstained}", fontsize=10, wrap=True)
        return
    axes.axvspan(found.low, found.high, color=CHOICE, alpha=0.2, lw=0, label=f"{found.low:.2g} to {found.high:.2g}")
    axes.axvline(found.lr, color=CHOICE, lw=2, label=f"recommended {found.lr:.2g}")
    axes.set_title("; ".join([f"Recommended rate {found.lr:.2g}", *found.stopped[:1]]), fontsize=10)


def _frame(axes: Axes, found: "LRFound") -> None:
    """An exploding loss would press the rest of the curve flat: as much is shown above its start as below."""
    losses = [loss for sweep in found.sweeps for loss in sweep.losses]
    if not losses:
        return
    start, lowest, highest = losses[0], min(losses), max(losses)
    top = min(highest, 2 * start - lowest) if start > lowest else highest
    margin = 0.05 * (top - lowest) or 1e-3 * abs(top) or 1e-3
    axes.set_ylim(lowest - margin, top + margin)
