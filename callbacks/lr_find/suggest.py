"""What the losses of a range test and of short one-cycle runs support: a peak rate, or a reason why there is none."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

SMOOTHING_DECADES = 0.35  # standard deviation of the Gaussian that smooths a curve
MIN_POINTS = 20  # fewer losses are not read as a curve
BASELINE_DIVISOR = 4  # the first 1/4 of a curve gives the loss before it falls
LIKELY_SIGMAS = 2.0  # standard errors that a fall in the range test must measure for short runs to be worth it
SURE_SIGMAS = 5.0  # and that the fall in the best short run must measure
MIN_RELATIVE_FALL = 0.01  # and this fraction of the starting loss
LOSS_CAP_SIGMAS = 3.0  # losses are capped at the start plus this many deviations of a step's noise
MIN_LAST_GAIN = 0.25  # of the best fall: the last peak is clearly the best if the loss falls further there by this
MIN_PEAK_WEIGHT = 1e-12  # of a run that fell less, so that equal runs have equal weights
PEAK_RATIO = 2.5  # between the peaks of neighbouring short runs
LENGTH_EXPONENT = 0.2  # exponent of the length of a run in its best peak
MAX_DISAGREEMENT_RATIO = 10.0  # the largest ratio of what single batches recommend


class NoSuggestion(ValueError):
    """The losses support no suggestion; the message says why and what to try."""


def smoothed(losses: ndarray, lrs: ndarray, cap: float = np.inf) -> ndarray:
    """The losses (K), capped, under a Gaussian on the log axis of the rates (K)."""
    x = np.log10(lrs)
    weights = np.exp(-0.5 * ((x[:, None] - x) / SMOOTHING_DECADES) ** 2)  # K×K
    return weights @ np.minimum(losses, cap) / weights.sum(1)


def step_noise(losses: ndarray) -> float:
    """Standard deviation of a step's loss about its curve: from the median difference of neighbouring losses (K)."""
    return 1.4826 * float(np.median(np.abs(np.diff(losses)))) / np.sqrt(2)


@dataclass(frozen=True)
class Fall:
    """The fall of the loss in a range test.

    Attributes:
        curve: the smoothed losses, K.
        lowest: index of the lowest of them.
        start: the loss before it falls.
        sigma: standard deviation of a step's loss.
        before: how many losses `start` is the mean of.
    """

    curve: ndarray
    lowest: int
    start: float
    sigma: float
    before: int

    def min_fall(self, sigmas: float, error: float) -> float:
        """The least fall that counts: so many standard errors (in units of `sigma`), and 1% of the start."""
        return max(sigmas * self.sigma * error, MIN_RELATIVE_FALL * abs(self.start))


def find_fall(losses: ndarray, lrs: ndarray) -> Fall:
    """Where the loss of a range test falls to. Whether the fall is sure, the short runs decide.

    Raises:
        NoSuggestion: there are too few losses, or there is no fall, or one that noise alone often shows.
    """
    if len(losses) < MIN_POINTS:
        raise NoSuggestion(f"too few points: {len(losses)}, and {MIN_POINTS} are needed; take more steps")
    before = len(losses) // BASELINE_DIVISOR
    start, sigma = float(losses[:before].mean()), step_noise(losses)
    curve = smoothed(losses, lrs, cap=start + LOSS_CAP_SIGMAS * sigma)
    found = Fall(curve, before + int(curve[before:].argmin()), start, sigma, before)
    least = found.min_fall(LIKELY_SIGMAS, _error_of_fall(losses, lrs))
    if start - curve[found.lowest] <= least:
        how = "it rises from the start" if smoothed(losses, lrs)[-1] - start > least else f"flat at {start:.4g}"
        raise NoSuggestion(f"the loss does not fall at any rate tried: {how}; take more steps")
    return found


def _error_of_fall(losses: ndarray, lrs: ndarray) -> float:
    """Standard error of baseline minus smoothed curve, in units of a step's noise."""
    per_decade = (len(lrs) - 1) / np.log10(lrs[-1] / lrs[0])
    averaged = 2 * np.sqrt(np.pi) * SMOOTHING_DECADES * per_decade  # steps that the Gaussian averages
    return float(np.sqrt(1 / max(averaged, 1) + BASELINE_DIVISOR / len(losses)))


def best_peak(peaks: ndarray, losses: ndarray, start: float) -> float:
    """The geometric mean of the peaks, each weighted by how far its run ended below the worst run, or below the start.

    The peak with the lowest of a few noisy losses, or the minimum of a parabola through them, differs much more from
    seed to seed. The worst run is the measure because an untrained net may lose more than one that learned nothing.

    Args:
        peaks: of K short runs.
        losses: at the end of each, K; one of them at least below the start.
        start: the loss before them.
    """
    falls = min(start, losses.max()) - losses  # K
    return float(np.exp(np.average(np.log(peaks), weights=np.maximum(falls, MIN_PEAK_WEIGHT))))


def recommend_peak(peaks: ndarray, ends: ndarray, first: Fall, end_lr: float) -> tuple[float, float, float]:
    """The best peak by the mean of the last batches, and the lowest and highest by single ones.

    Args:
        peaks: of K short runs, rising.
        ends: the loss of each run on its last B batches, K×B; the batches are the same for every run.
        first: the fall in the range test.
        end_lr: the highest peak allowed.

    Raises:
        NoSuggestion: the loss of no run stands out from the noise, or the highest peak allowed is clearly the best, or
            single batches differ by more than a factor of ten.
    """
    means, start = ends.mean(1), first.start
    gain = start - means.min()
    if not gain > first.min_fall(SURE_SIGMAS, (1 / ends.shape[1] + 1 / first.before) ** 0.5):
        raise NoSuggestion("the loss does not fall clearly in a short run, whatever its peak; take more steps")
    if PEAK_RATIO * peaks[-1] > end_lr and means[-1] < means[:-1].min(initial=start) - MIN_LAST_GAIN * gain:
        raise NoSuggestion(f"the loss still falls at the last rate, {end_lr:.3g}; raise `end_lr`")
    lr = best_peak(peaks, means, start)
    alone = [best_peak(peaks, losses, start) for losses in ends.T if losses.min() < start]
    low, high = min(lr, *alone), max(lr, *alone)
    if high / low > MAX_DISAGREEMENT_RATIO:
        raise NoSuggestion(f"the batches disagree: {low:.2g} to {high:.2g}; take more steps or larger batches")
    return lr, low, high


def length_factor(steps: int, trial_steps: int) -> float:
    """What the best peak of short runs is multiplied by for a run of `steps`; at least 1.

    A longer run takes a higher peak: it has time to recover from an unstable start, and averages the noise out at its
    end. The exponent is chosen by `benchmarks.lr_table`, whose runs have 120 to 624 steps. No longer run has tried it.
    """
    return max(1.0, steps / trial_steps) ** LENGTH_EXPONENT
