"""Random numbers by counter: published values, uniformity and independence."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from data.augmentation.counter_rng import Keys, _mix

N = 50_000
UNLIKELY = 1e-4  # the p-value below which a test of chance fails; the draws are fixed, so it fails always or never


def bins(draws, count=16):
    return (draws * count).astype(int)


def dependence(a, b, count=8):
    """Returns the p-value of a test that two sets of uniform random numbers are independent."""
    table = np.zeros((count, count))
    np.add.at(table, (bins(a, count), bins(b, count)), 1)
    return chi2_contingency(table).pvalue


def test_the_hash_is_that_of_splitmix64():
    """The first outputs of the published SplitMix64 generator for seed 0."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.arange(1, 4, dtype=np.uint64) * golden
    assert [hex(h) for h in _mix(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


def test_draws_equal_a_reference_in_exact_integers():
    mask = 2**64 - 1

    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
        return x ^ (x >> 31)

    golden = 0x9E3779B97F4A7C15

    def absorb(state, number):
        return mix((state + (number + 1) * golden) & mask)

    def draw(seed, epoch, sample, salt, number):
        state = mix((absorb(0, seed) + mix(sample * golden & mask)) & mask)
        return (absorb(absorb(absorb(state, salt), epoch), number) >> 11) / 2**53

    samples = np.array([0, 1, 49_999, 2**40])
    got = Keys.of(seed=7, epoch=3, samples=samples).salted(2).uniform(1)
    assert got.tolist() == [draw(7, 3, s, 2, 1) for s in samples.tolist()]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_draws_are_uniform(number):
    draws = Keys.of(0, 0, np.arange(N)).uniform(number)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert chisquare(np.bincount(bins(draws, 64), minlength=64)).pvalue > UNLIKELY


def test_draws_are_independent_of_each_other():
    keys = Keys.of(0, 0, np.arange(N))
    draws = keys.uniform(1)
    others = {
        "number": keys.uniform(2),
        "salt": keys.salted(0).uniform(1),
        "epoch": Keys.of(0, 1, np.arange(N)).uniform(1),
        "seed": Keys.of(1, 0, np.arange(N)).uniform(1),
        "neighbour": Keys.of(0, 0, np.arange(1, N + 1)).uniform(1),
        "128 further": Keys.of(0, 0, np.arange(128, N + 128)).uniform(1),
    }
    p_values = {name: dependence(draws, other) for name, other in others.items()}
    assert min(p_values.values()) > UNLIKELY, p_values


def test_two_salts_are_independent_of_each_other():
    keys = Keys.of(0, 0, np.arange(N))
    assert dependence(keys.salted(0).uniform(1), keys.salted(1).uniform(1)) > UNLIKELY


def test_integers_are_uniform():
    offsets = Keys.of(0, 0, np.arange(N)).integers(1, 9)
    assert chisquare(np.bincount(offsets, minlength=9)).pvalue > UNLIKELY
    assert set(offsets) == set(range(9))


def test_coins_are_fair_and_the_same_in_every_epoch():
    first, later = (Keys.of(0, epoch, np.arange(N)).coins() for epoch in (0, 5))
    assert (first == later).all()
    assert abs(first.mean() - 0.5) < 4 * 0.5 / N**0.5


def test_orders_are_permutations_in_which_every_position_is_as_likely():
    orders = np.stack([Keys.of(0, epoch, np.arange(20)).order() for epoch in range(5000)])
    assert (np.sort(orders, axis=1) == np.arange(20)).all()
    for position in (0, 7, 19):
        assert chisquare(np.bincount(orders[:, position], minlength=20)).pvalue > UNLIKELY


def test_a_negative_seed_is_a_seed():
    assert Keys.of(-1, 0, np.arange(3)).uniform(0).tolist() != Keys.of(1, 0, np.arange(3)).uniform(0).tolist()
