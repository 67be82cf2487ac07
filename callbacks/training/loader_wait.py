"""A measurement of the time that training waits for batches."""

from time import perf_counter

from fastai.callback.core import Callback

from callbacks.order import LOADER_WAIT


class LoaderWait(Callback):
    """Adds up the seconds between asking the loader for a training batch and receiving it.

    This is the waiting time of the Python process. A GPU meanwhile works through its queue, so that it waits less.

    Attributes:
        seconds: waiting time since the start of the fit.
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
