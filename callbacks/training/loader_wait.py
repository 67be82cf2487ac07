"""How long training waits for its batches."""

from time import perf_counter

from fastai.callback.core import Callback

from callbacks.order import LOADER_WAIT


class LoaderWait(Callback):
    """Sums the time between asking the loader for a training batch and having it: `seconds`.

    It is the time of this process. A GPU works through a queue meanwhile, so there it is more than the GPU waits.
    """

    order, run_valid = LOADER_WAIT, False

    def before_fit(self) -> None:
        self.seconds = 0.0

    def before_train(self) -> None:
        self.asked = perf_counter()

    def before_batch(self) -> None:
        self.seconds += perf_counter() - self.asked

    def after_batch(self) -> None:
        self.asked = perf_counter()

    def state_dict(self) -> dict:
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict) -> None:
        self.seconds = state["seconds"]
