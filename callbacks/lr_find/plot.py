"""The figure of the learning-rate finder."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from callbacks.picture import Picture

if TYPE_CHECKING:
    from callbacks.lr_find.finder import LRFound

RAW_COLOUR, SMOOTH_COLOUR, CHOICE_COLOUR, TRIAL_COLOUR = "#8fb3d4", "#1d4f80", "#d9622b", "#3b8f5a"
MARKERS = {"valley": "o", "slide": "s", "steep": "^", "minimum": "D"}


def plot_lr(found: "LRFound") -> Picture:
    """Plot the result of the finder: losses over the learning rate on a log axis, and the suggestions.

    The figure shows the range test, the final losses of the short runs over their peaks, fastai's suggestions, and the
    recommendation with its range.
    """
    figure = Picture(figsize=(9.5, 5), layout="constrained")
    axes = figure.subplots()
    first = found.sweeps[0]
    axes.plot(first.lrs, first.losses, ".", ms=4, color=RAW_COLOUR, alpha=0.7, label="range test, each step")
    if len(found.curve.lrs):
        axes.plot(found.curve.lrs, found.curve.losses, color=SMOOTH_COLOUR, lw=2, label="range test, smoothed")
    ended = [(trial.peak, trial.loss) for trial in found.trials if trial.loss is not None]
    if ended:
        axes.plot(
            *zip(*ended, strict=True),
            "P-",
            ms=9,
            mec="white",
            color=TRIAL_COLOUR,
            label="end of a short run, by its peak",
        )
    _mark_suggestions(axes, found)
    _mark_choice(axes, found)
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
    _limit_losses(axes, found)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside right upper")
    return figure


def _mark_suggestions(axes: Axes, found: "LRFound") -> None:
    for name, lr in found.suggestions.items():
        if lr is not None:
            axes.plot(
                lr, found.loss_at(lr), MARKERS[name], color=SMOOTH_COLOUR, mec="white", ms=9, label=f"{name} {lr:.2g}"
            )


def _mark_choice(axes: Axes, found: "LRFound") -> None:
    if found.lr is None:
        axes.set_title(f"No suggestion: {found.abstained}", fontsize=10, wrap=True)
        return
    low, high = found.low or found.lr, found.high or found.lr
    axes.axvspan(low, high, color=CHOICE_COLOUR, alpha=0.2, lw=0, label=f"{low:.2g} to {high:.2g}")
    axes.axvline(found.lr, color=CHOICE_COLOUR, lw=2, label=f"recommended {found.lr:.2g}")
    axes.set_title("; ".join([f"Recommended learning rate {found.lr:.2g}", *found.stopped[:1]]), fontsize=10)


def _limit_losses(axes: Axes, found: "LRFound") -> None:
    """Limit the loss axis: at most as much above the first loss as below it, so that divergence hides nothing."""
    tested = found.sweeps[0].losses.tolist()
    if not tested:
        return
    losses = tested + [trial.loss for trial in found.trials if trial.loss is not None]
    start, lowest, highest = tested[0], min(losses), max(losses)
    top = min(highest, 2 * start - lowest) if start > lowest else highest
    margin = 0.05 * (top - lowest) or 1e-3 * abs(top) or 1e-3
    axes.set_ylim(lowest - margin, top + margin)
