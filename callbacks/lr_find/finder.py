"""A learning-rate finder without side effects, which says so when it has found nothing."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from fastai.learner import Learner
from matplotlib.figure import Figure

from callbacks.files import replacing, write_csv, write_json
from callbacks.lr_find.named import named_suggestions
from callbacks.lr_find.plot import plot_lr
from callbacks.lr_find.preserve import preserved
from callbacks.lr_find.suggest import NoSuggestion, agreeing, fall, pooled, smoothed
from callbacks.lr_find.sweep import Sweep, sweep

ONSET, MARGIN = 0.1, 0.5  # repeats start half a decade below the rate at which a tenth of the fall is done


class LRFindError(ValueError):
    """A range test that cannot be run: the user's mistake, exit code 2."""

    exit_code = 2


@dataclass(frozen=True)
class LRFound:
    """What a range test found. Every rate is None where the curve supports none; `abstained` then says why.

    Attributes:
        sweeps: one over the whole range, then those over the part in which the loss moves.
        curve: the mean of the sweeps, smoothed.
        lr: the recommended peak of one cycle.
        low, high: what the sweeps recommend one by one, least and most.
        valley, slide, steep, minimum: fastai's suggestions on the same curve.
        abstained: why nothing is suggested, or None.
    """

    sweeps: tuple[Sweep, ...]
    curve: Sweep
    lr: float | None = None
    low: float | None = None
    high: float | None = None
    valley: float | None = None
    slide: float | None = None
    steep: float | None = None
    minimum: float | None = None
    abstained: str | None = None

    @property
    def suggestions(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ("valley", "slide", "steep", "minimum")}

    @property
    def stopped(self) -> list[str]:
        """Where and why sweeps ended early."""
        return [sweep.stopped for sweep in self.sweeps if sweep.stopped]

    def loss_at(self, lr: float) -> float:
        """The smoothed loss at a rate."""
        return float(np.interp(np.log(lr), np.log(self.curve.lrs), self.curve.losses))

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers, lists and strings."""
        sweeps = [{"lrs": s.lrs.tolist(), "losses": s.losses.tolist(), "stopped": s.stopped} for s in self.sweeps]
        curve = {"lrs": self.curve.lrs.tolist(), "losses": self.curve.losses.tolist()}
        choice = {"lr": self.lr, "low": self.low, "high": self.high, "abstained": self.abstained}
        return {**choice, "suggestions": self.suggestions, "stopped": self.stopped, "curve": curve, "sweeps": sweeps}

    def summary(self) -> dict[str, Any]:
        """The choice without the curves."""
        choice = {"lr": self.lr, "low": self.low, "high": self.high, "abstained": self.abstained}
        return choice | self.suggestions | {"stopped": self.stopped}

    def plot(self) -> Figure:
        return plot_lr(self)

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.plot().savefig(buffer, format="png")
        return buffer.getvalue()

    def save(self, folder: Path) -> None:
        """Write `lr_find.png`, `lr_find.csv` (a row a step) and `lr_find.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {"sweep": i, "step": step, "lr": lr, "loss": loss}
            for i, s in enumerate(self.sweeps)
            for step, (lr, loss) in enumerate(zip(s.lrs, s.losses, strict=True))
        ]
        write_csv(folder / "lr_find.csv", ("sweep", "step", "lr", "loss"), rows)
        write_json(folder / "lr_find.json", self.to_dict())
        with replacing(folder / "lr_find.png") as draft:
            self.plot().savefig(draft, dpi=150)


def find_lr(learn: Learner, start_lr: float = 1e-7, end_lr: float = 1.0, steps: int = 200) -> LRFound:
    """Find the peak rate of a short one-cycle run by a range test. `learn` and all random states stay as they are.

    Half of the steps sweep the whole range; the others repeat, with other batches, the part in which the loss moves.

    Args:
        learn: any fastai `Learner`.
        start_lr, end_lr: both ends of the range, reached exactly.
        steps: of training, in all; fewer are taken where the curve supports no suggestion.

    Raises:
        LRFindError: a range or a count that cannot be, or no training batch.
    """
    _check(learn, start_lr, end_lr, steps)
    lrs = np.geomspace(start_lr, end_lr, -(-steps // 2))
    with preserved(learn.dls.train):
        sweeps = [sweep(learn, lrs)]
        try:
            moving = lrs[lrs >= _onset(sweeps[0])]
            for _ in range(max(1, (steps - len(lrs)) // len(moving))):
                sweeps.append(sweep(learn, moving))
        except NoSuggestion:
            pass  # one sweep says as much as several: see `_read`
    return _read(tuple(sweeps))


def _check(learn: Learner, start_lr: float, end_lr: float, steps: int) -> None:
    if not 0 < start_lr < end_lr < np.inf:
        raise LRFindError(f"start_lr {start_lr} and end_lr {end_lr}: must be positive, and the end above the start")
    if steps < 4:
        raise LRFindError(f"steps {steps}: must be at least 4")
    if len(learn.dls.train) == 0:
        raise LRFindError("the training loader gives no batch; take a smaller batch_size or more images")


def _onset(first: Sweep) -> float:
    """The rate from which repeats are worth their steps."""
    curve, start, lowest = fall(first.losses, first.lrs)
    return float(first.lrs[np.argmax(curve < start - ONSET * (start - curve[lowest]))] / 10**MARGIN)


def _read(sweeps: tuple[Sweep, ...]) -> LRFound:
    mean = pooled(sweeps)
    try:
        lr, low, high = agreeing(sweeps)
        losses, *_ = fall(mean.losses, mean.lrs)
    except NoSuggestion as reason:
        why = "; ".join([*(s.stopped for s in sweeps[:1] if s.stopped), str(reason)])
        return LRFound(sweeps, Sweep(mean.lrs, smoothed(mean.losses, mean.lrs)), abstained=why)
    named = named_suggestions(mean.lrs, losses)
    return LRFound(sweeps, Sweep(mean.lrs, losses), lr, low, high, **named)
