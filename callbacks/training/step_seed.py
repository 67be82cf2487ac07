"""Random numbers that are a function of seed and step."""

from fastai.callback.core import Callback

from callbacks.order import STEP_SEED
from callbacks.random_generators import seed_generators

IN_STEP, AFTER_TRAINING, NEW_EPOCH = 0, 1, 2  # so that no two places draw the same numbers


class StepSeed(Callback):
    """Seeds all global generators from (seed, step) before each training step and around an epoch's training part.

    Dropout, MixUp and whatever else draws thus do the same in each run of a seed, also in one that was resumed within
    an epoch. It takes about 20 µs a step.

    Args:
        seed: of the run.
        rank: of this process, where several train a run: each draws for images of its own.
    """

    order, run_valid = STEP_SEED, False

    def __init__(self, seed: int, rank: int = 0) -> None:
        self.seed, self.rank = seed, rank

    def before_epoch(self) -> None:
        self._draw_for(self.epoch * len(self.dls.train), NEW_EPOCH)

    def before_batch(self) -> None:
        self._draw_for(self.epoch * self.n_iter + self.iter, IN_STEP)

    def after_train(self) -> None:
        self._draw_for((self.epoch + 1) * len(self.dls.train), AFTER_TRAINING)

    def _draw_for(self, step: int, place: int) -> None:
        seed_generators(self.dls.device.type, self.seed, step, place, *([self.rank] if self.rank else []))
