"""Which epoch the training loader draws for."""

from fastai.callback.core import Callback

from callbacks.order import LOADER_EPOCH


class LoaderEpoch(Callback):
    """Names the epoch to the loader before each training part: whoever looked at a batch in between changed nothing."""

    order = LOADER_EPOCH

    def before_train(self) -> None:
        self.dls.train.epoch = self.epoch
