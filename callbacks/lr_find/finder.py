"""A learning-rate finder without side effects; it recommends no learning rate if the losses support none."""

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

RANGE_TEST_DIVISOR = 4  # divisor of the steps: the range test takes 1/4, the short one-cycle runs take the rest
MIN_TRIAL_STEPS = 5  # steps that a short run needs to have a cycle
DEFAULT_RUN_EPOCHS = 10  # epochs of the run that the learning rate is for, if its length is not given
FASTAI_RULES = {
    schedule.valley: "valley",
    schedule.slide: "slide",
    schedule.steep: "steep",
    schedule.minimum: "minimum",
}


class LRFindError(InputError):
    """Raised if the arguments of the finder are invalid or the loader has no batch."""


@dataclass(frozen=True)
class LRFound:
    """The result of the finder. If the losses support no recommendation, every rate is None and `abstained` says why.

    Attributes:
        sweeps: learning rates and losses of all steps: the range test first, then each trial.
        curve: smoothed range test.
        trials: short one-cycle runs, by rising peak; empty if the range test supports no learning rate.
        lr: recommended peak learning rate of a one-cycle run.
        low, high: lowest and highest recommendation of single batches at the end of the trials.
        valley, slide, steep, minimum: suggestions of fastai's rules on the curve.
        abstained: reason why nothing is recommended, or None.
        asked: names of fastai's suggestions that iteration over the result yields.
        pictured: whether a notebook shows the figure of the result.
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
        """Iterate over the requested suggestions, so that fastai's way to unpack them works.

        Example: `low, steep = learn.lr_find(suggest_funcs=(minimum, steep))`.
        """
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
        """The suggestions of fastai's rules, by name."""
        return {name: getattr(self, name) for name in ("valley", "slide", "steep", "minimum")}

    @property
    def stopped(self) -> list[str]:
        """For each range test or trial that ended early, where and why it did."""
        return [sweep.stopped for sweep in self.sweeps if sweep.stopped]

    def loss_at(self, lr: float) -> float:
        """Return the smoothed loss of the range test at a learning rate."""
        return float(np.interp(np.log(lr), np.log(self.curve.lrs), self.curve.losses))

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result in plain numbers, lists and strings, as in `lr_find.json`."""
        sweeps = [{"lrs": s.lrs.tolist(), "losses": s.losses.tolist(), "stopped": s.stopped} for s in self.sweeps]
        curve = {"lrs": self.curve.lrs.tolist(), "losses": self.curve.losses.tolist()}
        choice = {"lr": self.lr, "low": self.low, "high": self.high, "abstained": self.abstained}
        trials = [{"peak": trial.peak, "loss": trial.loss} for trial in self.trials]
        found = {"suggestions": self.suggestions, "stopped": self.stopped, "trials": trials}
        return {**choice, **found, "curve": curve, "sweeps": sweeps}

    def summary(self) -> dict[str, Any]:
        """Return the recommendation and the suggestions, without the curves."""
        choice = {"lr": self.lr, "low": self.low, "high": self.high, "abstained": self.abstained}
        return choice | self.suggestions | {"stopped": self.stopped}

    def plot(self) -> Picture:
        """Plot the result; see `plot_lr`."""
        return plot_lr(self)

    def save(self, folder: Path) -> None:
        """Write `lr_find.png`, `lr_find.csv` (one row per step) and `lr_find.json` into `folder`."""
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
    """Find the peak learning rate for a one-cycle run, without changing `learn` or any random state.

    A range test shows at which learning rates the loss changes. The rate of its lowest loss depends on the length of
    the test and is no suitable peak. Therefore short one-cycle runs with a few peaks around that rate follow. The
    recommendation is the geometric mean of the peaks, weighted by how far each run ended below the worst run, and
    increased for the length of the real run.

    Args:
        learn: any fastai `Learner`.
        start_lr, end_lr: lowest and highest learning rate of the range test.
        num_it: number of training steps in total; fewer are taken if the range test supports no learning rate.
        run_steps: length in steps of the run that the learning rate is for; by default ten epochs.

    Raises:
        LRFindError: the range or the number of steps is invalid, or the training loader has no batch.
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
        raise LRFindError("the training loader has no batch; use a smaller `batch_size` or more images")


def requested_rules(stop_div: bool, suggest_funcs: Callable | Sequence[Callable] | None) -> tuple[str, ...]:
    """Return the names of the suggestions that the arguments of fastai's `lr_find` request.

    Args:
        stop_div: fastai's switch to stop at divergence; only True is possible.
        suggest_funcs: fastai's rules, one or several; None for `valley`.

    Raises:
        LRFindError: this finder does not support the argument.
    """
    if not stop_div:
        raise LRFindError("`stop_div` False: this finder always stops where the loss diverges; leave the argument out")
    functions = tuple(L(suggest_funcs)) or (schedule.valley,)
    if unknown := [function for function in functions if function not in FASTAI_RULES]:
        raise LRFindError(f"`suggest_funcs` {unknown[0]!r}: choose from fastai's {', '.join(FASTAI_RULES.values())}")
    return tuple(FASTAI_RULES[function] for function in functions)


def _recommended(curve: Sweep, first: Sweep, trials: tuple[Trial, ...], rates: Sequence[float]) -> LRFound:
    """Return a result with a recommendation: `rates` holds the recommended rate and the two ends of its range."""
    lr, low, high = rates
    named = named_suggestions(curve.lrs, curve.losses)
    return replace(LRFound(_all_steps(first, trials), curve, trials, lr, low, high), **named)  # type: ignore[arg-type]


def _abstained(first: Sweep, trials: tuple[Trial, ...], reason: NoSuggestion) -> LRFound:
    why = f"{first.stopped}; {reason}" if first.stopped else str(reason)
    curve = Sweep(first.lrs, smoothed(first.losses, first.lrs))
    return LRFound(_all_steps(first, trials), curve, trials, abstained=why)


def _all_steps(first: Sweep, trials: tuple[Trial, ...]) -> tuple[Sweep, ...]:
    return first, *(trial.taken for trial in trials)
