"""A callback that makes random numbers a function of the seed and the step."""

from fastai.callback.core import Callback

from callbacks.order import STEP_SEED
from callbacks.random_generators import seed_generators

IN_STEP, AFTER_TRAINING, NEW_EPOCH = 0, 1, 2  # part of the seed: each kind of event gets different random numbers


class StepSeed(Callback):
    """Seeds all global random generators from (seed, step) before each training step and around the training part.

    Dropout, MixUp and all other users of the global generators thus get the same random numbers in every run with the
    same seed, also in a run that was resumed within an epoch. Seeding takes about 20 µs per step.

    Args:
        seed: seed of the run.
        rank: rank of this process if several train together: their images differ, so their random numbers must too.
    """

    order, run_valid = STEP_SEED, False

    def __init__(self, seed: int, rank: int = 0) -> None:
        self.seed, self.rank = seed, rank

    def before_epoch(self) -> None:
        self._seed_for(self.epoch * len(self.dls.train), NEW_EPOCH)

    def before_batch(self) -> None:
        self._seed_for(self.epoch * self.n_iter + self.iter, IN_STEP)

    def after_train(self) -> None:
        self._seed_for((self.epoch + 1) * len(self.dls.train), AFTER_TRAINING)

    def _seed_for(self, step: int, place: int) -> None:
        seed_generators(self.dls.device.type, self.seed, step, place, *([self.rank] if self.rank else []))
