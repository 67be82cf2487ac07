"""A callback that sets the epoch of the training loader."""

from fastai.callback.core import Callback

from callbacks.order import LOADER_EPOCH


class LoaderEpoch(Callback):
    """Sets the training loader's epoch before each training part.

    Extra iterations over the loader in between, as `show_batch` and `one_batch` start them, thus do not change the run.
    """

    order = LOADER_EPOCH

    def before_train(self) -> None:
        self.dls.train.epoch = self.epoch
