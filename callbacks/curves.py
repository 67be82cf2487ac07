"""The figure of a run: losses, metrics and the applied learning rate."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from callbacks.picture import Picture
from callbacks.training.history import EpochRow
from callbacks.training.schedule import StepRow

TRAIN_COLOUR, VALID_COLOUR = "#2a6fb0", "#d9622b"
FURTHER_COLOURS = ("#3d8f5b", "#8a5fb0", "#9c7a2f", "#5a6b7b")  # colours of the second metric and the following ones


def plot_curves(epochs: Sequence[EpochRow], steps: Sequence[StepRow]) -> Picture:
    """Plot three panels over the epochs: losses, metrics, and the applied learning rate with its peak marked."""
    figure = Picture(figsize=(13, 4), layout="constrained")
    panels = figure.subplots(1, 3)
    _plot_losses(panels[0], epochs)
    _plot_metrics(panels[1], epochs)
    _plot_rate(panels[2], steps)
    for axes in panels:
        axes.set_xlim(0, epochs[-1].epoch + 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_xlabel("epochs")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _plot_losses(axes: Axes, epochs: Sequence[EpochRow]) -> None:
    train, valid = _with_nan([row.train_loss for row in epochs]), _with_nan([row.valid_loss for row in epochs])
    _plot_line(axes, epochs, train, TRAIN_COLOUR, "training")
    _plot_line(axes, epochs, valid, VALID_COLOUR, "validation")
    axes.set(title="Loss", ylabel="cross entropy")
    measured = [loss for loss in train + valid if not math.isnan(loss)]
    if measured and min(measured) > 0 and max(measured) > 10 * min(measured):
        axes.set_yscale("log")  # one epoch with a very large loss would otherwise flatten the rest of the curve
    axes.legend(frameon=False)


def _plot_metrics(axes: Axes, epochs: Sequence[EpochRow]) -> None:
    names = list(epochs[-1].metrics)
    values = {name: _with_nan([row.metrics[name] for row in epochs]) for name in names}
    fractions = not any(value < 0 or value > 1 for series in values.values() for value in series)
    scale, unit = (100, "%") if fractions else (1, "")
    if "accuracy" in names:
        train = _with_nan([row.train_accuracy for row in epochs])
        _plot_line(axes, epochs, [scale * value for value in train], TRAIN_COLOUR, "training, augmented")
    for name, colour in zip(names, (VALID_COLOUR, *FURTHER_COLOURS * len(names)), strict=False):
        part = "" if name.startswith(("train_", "valid_")) else ", validation"
        label = "validation" if names == ["accuracy"] else name + part
        _plot_line(axes, epochs, [scale * value for value in values[name]], colour, label)
    if names:
        title, last = names[0].replace("_", " ").capitalize(), scale * values[names[0]][-1]
        end = "not measured" if math.isnan(last) else f"{last:.4g}{unit}"
        axes.set(title=f"{title}: {end} at the end", ylabel=unit)
        axes.legend(frameon=False)


def _with_nan(values: Sequence[float | None]) -> list[float]:
    """Replace None (not measured) by NaN, which leaves a gap in a plotted line."""
    return [math.nan if value is None else value for value in values]


def _plot_rate(axes: Axes, steps: Sequence[StepRow]) -> None:
    if not steps:  # possible if gradients are accumulated over more batches than the run has
        axes.set(title="No step was taken", ylabel="learning rate")
        return
    peak = max(steps, key=lambda row: row.lr)
    axes.plot([row.epoch for row in steps], [row.lr for row in steps], color=TRAIN_COLOUR)
    axes.plot(peak.epoch, peak.lr, "o", color=VALID_COLOUR, clip_on=False)
    axes.set(title=f"Learning rate: peak {peak.lr:.3g} at epoch {peak.epoch:.4g}", ylabel="applied learning rate")


def _plot_line(axes: Axes, epochs: Sequence[EpochRow], values: Sequence[float], colour: str, label: str) -> None:
    ends = [row.epoch + 1 for row in epochs]  # each value is plotted at the end of its epoch
    marker = "o" if len(ends) < 40 else None
    axes.plot(ends, values, color=colour, marker=marker, ms=3, clip_on=False, label=label)
