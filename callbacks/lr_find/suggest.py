"""The recommendation of a peak learning rate from the losses of a range test and of short one-cycle runs."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

SMOOTHING_DECADES = 0.35  # standard deviation of the Gaussian that smooths a curve, in decades of the learning rate
MIN_POINTS = 20  # number of losses that a range test needs
BASELINE_DIVISOR = 4  # divisor of the number of losses: the first 1/4 gives the loss before it falls
RANGE_TEST_SIGMAS = 2.0  # standard errors that the fall in the range test must exceed before short runs are tried
TRIAL_SIGMAS = 5.0  # standard errors that the fall in the best short run must exceed
MIN_RELATIVE_FALL = 0.01  # fraction of the starting loss that each of these falls must also exceed
LOSS_CAP_SIGMAS = 3.0  # noise deviations above the starting loss at which losses are capped
MIN_LAST_GAIN = 0.25  # fraction of the best fall by which the highest peak must beat the others to be clearly the best
MIN_PEAK_WEIGHT = 1e-12  # weight of a run whose loss did not fall, so that equal runs have equal weights
PEAK_RATIO = 2.5  # ratio of the peaks of two successive short runs
LENGTH_EXPONENT = 0.2  # exponent with which the best peak grows with the length of a run
MAX_DISAGREEMENT_RATIO = 10.0  # largest ratio of the highest to the lowest recommendation of single batches


class NoSuggestion(ValueError):
    """Raised if the losses support no recommendation; the message gives the reason and what to try."""


def smoothed(losses: ndarray, lrs: ndarray, cap: float = np.inf) -> ndarray:
    """Smooth the losses with a Gaussian over the logarithm of the learning rate.

    Args:
        losses: K losses.
        lrs: their learning rates, K.
        cap: larger losses are replaced by this value first.

    Returns:
        The smoothed losses, K.
    """
    x = np.log10(lrs)
    weights = np.exp(-0.5 * ((x[:, None] - x) / SMOOTHING_DECADES) ** 2)  # K×K
    return weights @ np.minimum(losses, cap) / weights.sum(1)


def step_noise(losses: ndarray) -> float:
    """Return the standard deviation of the losses (K) about their curve.

    It is estimated from the median difference of successive losses, which the trend and outliers hardly change.
    """
    return 1.4826 * float(np.median(np.abs(np.diff(losses)))) / np.sqrt(2)


@dataclass(frozen=True)
class Fall:
    """The fall of the loss in a range test.

    Attributes:
        curve: smoothed losses, K.
        lowest: index of the lowest smoothed loss.
        start: mean loss before the fall.
        sigma: standard deviation of a single step's loss.
        before: number of losses of which `start` is the mean.
    """

    curve: ndarray
    lowest: int
    start: float
    sigma: float
    before: int

    def min_fall(self, sigmas: float, error: float) -> float:
        """Return the smallest fall that counts: `sigmas` standard errors, and at least 1% of the starting loss.

        Args:
            sigmas: number of standard errors.
            error: standard error of the fall, in units of `sigma`.
        """
        return max(sigmas * self.sigma * error, MIN_RELATIVE_FALL * abs(self.start))


def find_fall(losses: ndarray, lrs: ndarray) -> Fall:
    """Return the fall of the loss in a range test; the short runs later decide whether it is real.

    Args:
        losses: loss of each step, K.
        lrs: learning rate of each step, K.

    Raises:
        NoSuggestion: there are too few losses, or the loss does not fall more than noise alone often does.
    """
    if len(losses) < MIN_POINTS:
        raise NoSuggestion(f"too few points: {len(losses)}, but {MIN_POINTS} are needed; take more steps")
    before = len(losses) // BASELINE_DIVISOR
    start, sigma = float(losses[:before].mean()), step_noise(losses)
    curve = smoothed(losses, lrs, cap=start + LOSS_CAP_SIGMAS * sigma)
    found = Fall(curve, before + int(curve[before:].argmin()), start, sigma, before)
    smallest = found.min_fall(RANGE_TEST_SIGMAS, _error_of_fall(losses, lrs))
    if start - curve[found.lowest] <= smallest:
        rises = smoothed(losses, lrs)[-1] - start > smallest
        how = "it rises from the start" if rises else f"it is flat at {start:.4g}"
        raise NoSuggestion(f"the loss does not fall at any learning rate tried: {how}; take more steps")
    return found


def _error_of_fall(losses: ndarray, lrs: ndarray) -> float:
    """Return the standard error of the fall (starting loss minus smoothed loss), in units of a step's noise."""
    per_decade = (len(lrs) - 1) / np.log10(lrs[-1] / lrs[0])
    averaged = 2 * np.sqrt(np.pi) * SMOOTHING_DECADES * per_decade  # effective number of steps under the Gaussian
    return float(np.sqrt(1 / max(averaged, 1) + BASELINE_DIVISOR / len(losses)))


def best_peak(peaks: ndarray, losses: ndarray, start: float) -> float:
    """Return the geometric mean of the peaks, each weighted by how far its run ended below the worst run.

    The weights are measured from the starting loss instead if that is lower than the worst run. Compared with the
    starting loss alone this helps where the loss of an untrained model is higher than that of a model that has learned
    nothing. The peak of the lowest loss, or the minimum of a fitted parabola, varies much more from seed to seed.

    Args:
        peaks: peak learning rates of K short runs.
        losses: final loss of each run, K; at least one is below `start`.
        start: loss before the runs.
    """
    falls = min(start, losses.max()) - losses  # K
    return float(np.exp(np.average(np.log(peaks), weights=np.maximum(falls, MIN_PEAK_WEIGHT))))


def recommend_peak(peaks: ndarray, ends: ndarray, first: Fall, end_lr: float) -> tuple[float, float, float]:
    """Return the recommended peak from the mean over the last batches, and the lowest and highest from single batches.

    Args:
        peaks: peak learning rates of K short runs, rising.
        ends: losses of each run on its last B batches, K×B; all runs have the same batches.
        first: fall of the loss in the range test.
        end_lr: highest peak allowed.

    Raises:
        NoSuggestion: no run's loss falls more than the noise, or the highest peak allowed is clearly the best, or the
            recommendations of single batches differ by more than a factor of ten.
    """
    means, start = ends.mean(1), first.start
    gain = start - means.min()
    if not gain > first.min_fall(TRIAL_SIGMAS, (1 / ends.shape[1] + 1 / first.before) ** 0.5):
        raise NoSuggestion("the loss does not fall clearly in any of the short runs; take more steps")
    if PEAK_RATIO * peaks[-1] > end_lr and means[-1] < means[:-1].min(initial=start) - MIN_LAST_GAIN * gain:
        raise NoSuggestion(f"the loss still falls at the highest learning rate, {end_lr:.3g}; raise `end_lr`")
    lr = best_peak(peaks, means, start)
    alone = [best_peak(peaks, losses, start) for losses in ends.T if losses.min() < start]
    low, high = min(lr, *alone), max(lr, *alone)
    if high / low > MAX_DISAGREEMENT_RATIO:
        raise NoSuggestion(
            f"single batches disagree on the learning rate: {low:.2g} to {high:.2g}; take more steps or larger batches"
        )
    return lr, low, high


def length_factor(steps: int, trial_steps: int) -> float:
    """Return the factor, at least 1, by which the best peak of a longer run is higher than that of the short runs.

    A longer run has time to recover from an unstable start and averages out the noise at its end. The exponent was
    chosen with `benchmarks.lr_table`, whose runs have 120 to 624 steps; it was not measured on longer runs.

    Args:
        steps: steps of the longer run.
        trial_steps: steps of a short run.
    """
    return max(1.0, steps / trial_steps) ** LENGTH_EXPONENT
