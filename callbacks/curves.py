"""The picture of a run: losses, accuracies, and the rate that was applied."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

TRAIN, VALID = "#2a6fb0", "#d9622b"


def plot_curves(history: Sequence[dict], schedule: Sequence[dict]) -> Figure:
    """Three panels over the epochs: loss and accuracy of both sets, the applied rate with its peak marked.

    Args:
        history: rows of the `History` callback.
        schedule: rows of the `ScheduleRecord` callback.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    ends = [row["epoch"] + 1 for row in history]  # a figure of an epoch stands at its end
    marker = "o" if len(ends) < 40 else None

    loss.plot(
        ends, [row["train_loss"] for row in history], color=TRAIN, marker=marker, ms=3, clip_on=False, label="training"
    )
    loss.plot(
        ends,
        [row["valid_loss"] for row in history],
        color=VALID,
        marker=marker,
        ms=3,
        clip_on=False,
        label="validation",
    )
    loss.set(title="Loss", xlabel="epochs", ylabel="cross entropy")
    if _spans_decades(history):
        loss.set_yscale("log")
    loss.legend(frameon=False)

    percent = [100 * row["accuracy"] for row in history]
    learnt = [100 * row["train_accuracy"] for row in history]
    accuracy.plot(ends, learnt, color=TRAIN, marker=marker, ms=3, clip_on=False, label="training, augmented")
    accuracy.plot(ends, percent, color=VALID, marker=marker, ms=3, clip_on=False, label="validation")
    accuracy.set(title=f"Accuracy: {percent[-1]:.2f}% at the end", xlabel="epochs", ylabel="%")
    accuracy.legend(frameon=False)

    peak = max(schedule, key=lambda row: row["lr"])
    rate.plot([row["epoch"] for row in schedule], [row["lr"] for row in schedule], color=TRAIN)
    rate.plot(peak["epoch"], peak["lr"], "o", color=VALID, clip_on=False)
    rate.set(
        title=f"Applied rate: peak {peak['lr']:.3g} at epoch {peak['epoch']:.4g}",
        xlabel="epochs",
        ylabel="rate",
    )

    for axes in (loss, accuracy, rate):
        axes.set_xlim(0, ends[-1])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _spans_decades(history: Sequence[dict]) -> bool:
    """An early epoch at the peak rate can have a validation loss that would flatten all others."""
    losses = [row[name] for row in history for name in ("train_loss", "valid_loss")]
    return min(losses) > 0 and max(losses) > 10 * min(losses)
