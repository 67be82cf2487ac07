"""Random draws that are a function of (seed, epoch, sample), for whole batches at once.

A counter is hashed instead of a generator advanced, so that a draw depends neither on what was drawn before
it nor on who draws (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). The hash is the
finaliser of SplitMix64, Steele et al. 2014 (https://doi.org/10.1145/2660193.2660195).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ORDER = 2**32  # a salt beyond the positions in any pipeline
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ over the golden ratio: successive counters land far apart


def _mix(x: np.ndarray) -> np.ndarray:
    """A bijection of uint64 in which every bit of the input changes about half of the output's bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _absorb(state: np.ndarray, number: int) -> np.ndarray:
    """`state` with `number` hashed into it."""
    return _mix(state + np.uint64((number + 1) * _GOLDEN & _MASK))


@dataclass(frozen=True)
class Keys:
    """What the draws for N samples are hashed from.

    Attributes:
        samples: N, uint64, one for each pair of seed and sample.
        epoch: the pass over the data.
    """

    samples: np.ndarray
    epoch: int

    @classmethod
    def of(cls, seed: int, epoch: int, samples: np.ndarray) -> "Keys":
        """Keys of the samples with these numbers."""
        state = _absorb(np.zeros(1, np.uint64), seed)
        return cls(_mix(state + _mix(np.asarray(samples, np.uint64) * np.uint64(_GOLDEN))), epoch)

    def salted(self, salt: int) -> "Keys":
        """Keys whose draws are independent of this one's and of those with any other salt."""
        return Keys(_absorb(self.samples, salt), self.epoch)

    @cached_property
    def hashes(self) -> np.ndarray:
        """N, uint64, new in every epoch."""
        return _absorb(self.samples, self.epoch)

    def uniform(self, number: int) -> np.ndarray:
        """The draw with this number for every sample: N, float64 in [0, 1)."""
        return _unit(_absorb(self.hashes, number))

    def integers(self, number: int, stop: int) -> np.ndarray:
        """The draw with this number for every sample: N, int64 in [0, stop)."""
        return (self.uniform(number) * stop).astype(np.int64)

    def order(self) -> np.ndarray:
        """N, int64: a random permutation of the positions."""
        return np.argsort(self.salted(ORDER).hashes)

    def coins(self) -> np.ndarray:
        """N, bool, the same in every epoch."""
        return (_mix(self.samples) >> np.uint64(63)).astype(bool)


def _unit(hashes: np.ndarray) -> np.ndarray:
    """The upper 53 bits as a fraction: what a float64 holds exactly."""
    return (hashes >> np.uint64(11)) * 2.0**-53
