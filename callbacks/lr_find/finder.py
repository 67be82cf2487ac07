"""A learning-rate finder without side effects. It recommends nothing where the losses support nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from fastai.callback import schedule
from fastai.learner import Learner
from fastcore.foundation import L

from callbacks.lr_find.fastai_rules import named_suggestions
from callbacks.lr_find.plot import plot_lr
from callbacks.lr_find.preserve import preserved
from callbacks.lr_find.suggest import MIN_POINTS, NoSuggestion, find_fall, length_factor, recommend_peak, smoothed
from callbacks.lr_find.sweep import Sweep, sweep
from callbacks.lr_find.trials import TRIAL_COUNT, Trial, try_peaks
from callbacks.picture import Picture
from data.common.errors import InputError
from data.common.files import replacing, write_csv, write_json

RANGE_TEST_DIVISOR = 4  # the range test takes the first 1/4 of the steps, short one-cycle runs the others
MIN_TRIAL_STEPS = 5  # shorter runs have no cycle
DEFAULT_RUN_EPOCHS = 10  # of the run that the rate is for, where its length is not given
FASTAI_RULES = {
    schedule.valley: "valley",
    schedule.slide: "slide",
    schedule.steep: "steep",
    schedule.minimum: "minimum",
}


class LRFindError(InputError):
    """The range test cannot be run as it was asked for."""


@dataclass(frozen=True)
class LRFound:
    """What the finder found. Every rate is None where the losses support none; `abstained` then says why.

    Attributes:
        sweeps: every step that was taken: the range test first, then each trial.
        curve: the range test, smoothed.
        trials: short one-cycle runs by rising peak; none where the range test supports no rate.
        lr: the recommended peak of a one-cycle run.
        low, high: the lowest and highest recommendation of single batches at the end of the trials.
        valley, slide, steep, minimum: fastai's suggestions on the curve.
        abstained: why nothing is recommended, or None.
        asked: the names of fastai's suggestions that iterating over the result gives.
        pictured: a notebook shows the picture too.
    """

    sweeps: tuple[Sweep, ...]
    curve: Sweep
    trials: tuple[Trial, ...] = ()
    lr: float | None = None
    low: float | None = None
    high: float | None = None
    valley: float | None = None
    slide: float | None = None
    steep: float | None = None
    minimum: float | None = None
    abstained: str | None = None
    asked: tuple[str, ...] = ("valley",)
    pictured: bool = True

    def __iter__(self) -> Iterator[float | None]:
        """fastai's users unpack what they asked for: `low, steep = learn.lr_find(suggest_funcs=(minimum, steep))`."""
        return (getattr(self, name) for name in self.asked)

    def __repr__(self) -> str:
        """What was found, with three digits of each rate."""
        found = {name: value for name, value in self.summary().items() if value}
        told = {name: f"{value:.3g}" if isinstance(value, float) else repr(value) for name, value in found.items()}
        return f"LRFound({', '.join(f'{name}={text}' for name, text in told.items())})"

    def _repr_png_(self) -> bytes | None:
        return self.plot()._repr_png_() if self.pictured else None

    @property
    def suggestions(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ("valley", "slide", "steep", "minimum")}

    @property
    def stopped(self) -> list[str]:
        """Where and why the range test and trials ended early."""
        return [sweep.stopped for sweep in self.sweeps if sweep.stopped]

    def loss_at(self, lr: float) -> float:
        """The smoothed loss at a rate."""
        return float(np.interp(np.log(lr), np.log(self.curve.lrs), self.curve.losses))

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers, lists and strings."""
        sweeps = [{"lrs": s.lrs.tolist(), "losses": s.losses.tolist(), "stopped": s.stopped} for s in self.sweeps]
        curve = {"lrs": self.curve.lrs.tolist(), "losses": self.curve.losses.tolist()}
        choice = {"lr": self.lr, "low": self.low, "high": self.high, "abstained": self.abstained}
        trials = [{"peak": trial.peak, "loss": trial.loss} for trial in self.trials]
        found = {"suggestions": self.suggestions, "stopped": self.stopped, "trials": trials}
        return {**choice, **found, "curve": curve, "sweeps": sweeps}

    def summary(self) -> dict[str, Any]:
        """The choice without the curves."""
        choice = {"lr": self.lr, "low": self.low, "high": self.high, "abstained": self.abstained}
        return choice | self.suggestions | {"stopped": self.stopped}

    def plot(self) -> Picture:
        return plot_lr(self)

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


def find_lr(
    learn: Learner,
    start_lr: float = 1e-7,
    end_lr: float = 1.0,
    num_it: int = 200,
    run_steps: int | None = None,
) -> LRFound:
    """Find the peak rate of a one-cycle run. `learn` and all random states stay as they are.

    A range test shows at which rates the loss moves. Where it is lowest depends on how long the test is, so it is no
    peak to train with. Short one-cycle runs at a few peaks around it therefore follow. The mean of the peaks, each
    weighted by how far its run ended below the worst, and raised for the length of the real run, is the recommendation.

    Args:
        learn: any fastai `Learner`.
        start_lr, end_lr: both ends of the range; the range test reaches them exactly.
        num_it: steps of training, in all; fewer are taken where the range test supports no rate.
        run_steps: the length of the run that the rate is for; without it, ten epochs.

    Raises:
        LRFindError: a range or a count that cannot be, or no training batch.
    """
    _check(learn, start_lr, end_lr, num_it)
    points = min(num_it, max(num_it // RANGE_TEST_DIVISOR, MIN_POINTS))
    trial_steps = (num_it - points) // TRIAL_COUNT
    trials: tuple[Trial, ...] = ()
    with preserved(learn.dls.train):
        first = sweep(learn, np.geomspace(start_lr, end_lr, points))
    try:
        if trial_steps < MIN_TRIAL_STEPS:
            raise NoSuggestion(f"too few steps: {num_it} leave {trial_steps} for each short run; take more steps")
        found = find_fall(first.losses, first.lrs)
        trials = try_peaks(learn, float(first.lrs[found.lowest]), (start_lr, end_lr), trial_steps)
        rates = recommend_peak(np.array([t.peak for t in trials]), np.array([t.ends for t in trials]), found, end_lr)
    except NoSuggestion as reason:
        return _abstained(first, trials, reason)
    stretch = length_factor(run_steps or DEFAULT_RUN_EPOCHS * len(learn.dls.train), trial_steps)
    return _recommended(Sweep(first.lrs, found.curve), first, trials, [min(rate * stretch, end_lr) for rate in rates])


def _check(learn: Learner, start_lr: float, end_lr: float, num_it: int) -> None:
    if not 0 < start_lr < end_lr < np.inf:
        raise LRFindError(f"`start_lr` {start_lr} and `end_lr` {end_lr}: must be positive, and the end above the start")
    if num_it < 4:
        raise LRFindError(f"`num_it` {num_it}: must be at least 4")
    if len(learn.dls.train) == 0:
        raise LRFindError("the training loader gives no batch; take a smaller `batch_size` or more images")


def requested_rules(stop_div: bool, suggest_funcs: Callable | Sequence[Callable] | None) -> tuple[str, ...]:
    """The names of the suggestions that arguments of fastai's `lr_find` ask for.

    Raises:
        LRFindError: what this finder does not do.
    """
    if not stop_div:
        raise LRFindError("`stop_div` False: this finder always stops where the loss diverges; leave the argument out")
    functions = tuple(L(suggest_funcs)) or (schedule.valley,)
    if unknown := [function for function in functions if function not in FASTAI_RULES]:
        raise LRFindError(f"`suggest_funcs` {unknown[0]!r}: choose from fastai's {', '.join(FASTAI_RULES.values())}")
    return tuple(FASTAI_RULES[function] for function in functions)


def _recommended(curve: Sweep, first: Sweep, trials: tuple[Trial, ...], rates: Sequence[float]) -> LRFound:
    """The rates are the recommendation and both ends of its range."""
    lr, low, high = rates
    named = named_suggestions(curve.lrs, curve.losses)
    return replace(LRFound(_all_steps(first, trials), curve, trials, lr, low, high), **named)  # type: ignore[arg-type]


def _abstained(first: Sweep, trials: tuple[Trial, ...], reason: NoSuggestion) -> LRFound:
    why = f"{first.stopped}; {reason}" if first.stopped else str(reason)
    curve = Sweep(first.lrs, smoothed(first.losses, first.lrs))
    return LRFound(_all_steps(first, trials), curve, trials, abstained=why)


def _all_steps(first: Sweep, trials: tuple[Trial, ...]) -> tuple[Sweep, ...]:
    return first, *(trial.taken for trial in trials)
