"""Random numbers that are a function of (seed, epoch, sample), for whole batches at once.

This is a counter-based generator: each random number is the hash of a counter, so it depends neither on the numbers
drawn before it nor on the process that draws it (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
The hash is the finaliser of SplitMix64, Steele et al. 2014 (https://doi.org/10.1145/2660193.2660195).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ORDER_SALT = 2**32  # salt of the order of the samples; larger than the position of any step in a pipeline
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ divided by the golden ratio, which spreads successive counters


def _mix(x: np.ndarray) -> np.ndarray:
    """Hash uint64 values: a bijection in which each bit of the input changes about half of the bits of the output."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _absorb(state: np.ndarray, number: int) -> np.ndarray:
    """Returns the hash of `state` and `number`."""
    return _mix(state + np.uint64((number + 1) * _GOLDEN & _MASK))


@dataclass(frozen=True)
class Keys:
    """Random keys of N samples, from which their random numbers are hashed.

    Attributes:
        samples: N, uint64, hashes of (seed, sample).
        epoch: epoch of the random numbers.
    """

    samples: np.ndarray
    epoch: int

    @classmethod
    def of(cls, seed: int, epoch: int, samples: np.ndarray) -> "Keys":
        """Returns the keys of the samples with these dataset indices, N."""
        state = _absorb(np.zeros(1, np.uint64), seed)
        return cls(_mix(state + _mix(np.asarray(samples, np.uint64) * np.uint64(_GOLDEN))), epoch)

    def salted(self, salt: int) -> "Keys":
        """Returns keys whose random numbers are independent of these keys and of keys with another salt."""
        return Keys(_absorb(self.samples, salt), self.epoch)

    @cached_property
    def hashes(self) -> np.ndarray:
        """The hashes of (seed, epoch, sample): N, uint64."""
        return _absorb(self.samples, self.epoch)

    def uniform(self, number: int) -> np.ndarray:
        """Returns the random number with this index for every sample: N, float64 in [0, 1)."""
        return _unit(_absorb(self.hashes, number))

    def integers(self, number: int, stop: int) -> np.ndarray:
        """Returns the random integer with this index for every sample: N, int64 in [0, stop)."""
        return (self.uniform(number) * stop).astype(np.int64)

    def order(self) -> np.ndarray:
        """Returns a random permutation of the positions 0 to N - 1: N, int64."""
        return np.argsort(self.salted(ORDER_SALT).hashes)

    def coins(self) -> np.ndarray:
        """Returns a random boolean for every sample, the same in every epoch: N, bool."""
        return (_mix(self.samples) >> np.uint64(63)).astype(bool)


def _unit(hashes: np.ndarray) -> np.ndarray:
    """Returns the upper 53 bits as a fraction in [0, 1), which a float64 represents exactly."""
    return (hashes >> np.uint64(11)) * 2.0**-53
