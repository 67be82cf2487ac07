"""`fit` has fastai's arguments, and restores learner and callbacks however it ends."""

import inspect

import pytest
import torch
from fastai.callback.core import (
    Callback,
    CancelBatchException,
    CancelEpochException,
    CancelFitException,
    CancelTrainException,
    CancelValidException,
)
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.mixup import MixUp
from fastai.callback.progress import CSVLogger, ProgressCallback, ShowGraphCallback
from fastai.callback.schedule import SuggestionMethod, minimum, slide, steep, valley
from fastai.callback.tracker import EarlyStoppingCallback
from fastai.learner import Learner

from callbacks.lr_find.finder import LRFindError
from callbacks.training.progress import RichProgress
from data.common.errors import TrainingError
from learners import image_learner
from learners.learner import ImageLearner
from tests.learners.small_runs import small_net


@pytest.fixture
def learn(tiny):
    torch.manual_seed(0)
    return image_learner(**tiny, model=small_net(), device="cpu")


def arguments(method):
    return {p.name: p.default for p in inspect.signature(method).parameters.values()}


def test_fit_has_fastais_arguments_and_lr_find_their_names():
    assert arguments(ImageLearner.fit) == arguments(Learner.fit)
    assert list(arguments(ImageLearner.fit)) == list(arguments(Learner.fit))
    assert list(arguments(ImageLearner.lr_find)) == list(arguments(Learner.lr_find))


class Steps(Callback):
    """Records the settings of the optimizer in each step."""

    def before_fit(self):
        self.rates, self.decays = [], []

    def after_step(self):
        self.rates.append(self.opt.hypers[0]["lr"])
        self.decays.append([hyper["wd"] for hyper in self.opt.hypers])


def test_all_arguments_may_be_positional(learn):
    steps = Steps()
    learn.fit(3, 0.03, 0.1, [steps], True, 1)
    assert steps.rates == [0.03] * 8  # the epochs 1 and 2
    learn.fit_one_cycle(1, 0.1, 25.0, 1e5, 0.25, None, None, steps)
    assert steps.rates[0] == pytest.approx(0.1 / 25)
    assert len(steps.rates) == 4


class Fails(Callback):
    """Raises at an event, once."""

    order = 30

    def __init__(self, event, error):
        self.error, self.failed = error, False
        setattr(self, event, self.fail)

    def fail(self):
        if not self.failed:
            self.failed = True
            raise self.error("on purpose")


@pytest.mark.parametrize("error", [None, CancelFitException, KeyboardInterrupt])
def test_a_weight_decay_holds_for_one_fit(learn, error):
    learn.fit(1, 0.01)
    own, steps = [hyper["wd"] for hyper in learn.opt.hypers], Steps()
    assert set(own) != {0.25}
    try:
        learn.fit(1, 0.01, wd=0.25, cbs=[steps, *([Fails("after_train", error)] if error else [])])
    except KeyboardInterrupt:
        assert error is KeyboardInterrupt
    assert steps.decays == [[0.25] * len(own)] * 4
    assert [hyper["wd"] for hyper in learn.opt.hypers] == own


class Told(Callback):
    """Records which events at the end of a fit were fired."""

    def __init__(self):
        self.events = []

    def after_cancel_fit(self):
        self.events.append("after_cancel_fit")

    def after_fit(self):
        self.events.append("after_fit")


EVENTS = "before_fit before_epoch before_train before_batch after_loss after_step after_batch after_train".split()
EVENTS += "before_validate after_validate after_epoch".split()


@pytest.mark.parametrize("event", EVENTS)
def test_any_exception_is_told_to_the_callbacks_once(learn, event):
    for error in (KeyboardInterrupt, SystemExit, RuntimeError):
        told = Told()
        with pytest.raises(error, match="on purpose"):
            learn.fit(1, cbs=[told, Fails(event, error)])
        assert told.events == ["after_cancel_fit"]
    told = Told()
    learn.fit(1, cbs=[told, Fails(event, CancelFitException)])  # as in fastai
    assert told.events == ["after_cancel_fit", "after_fit"]


def test_an_exception_at_the_very_end_is_told_once_too(learn):
    for error, cancelled in ((RuntimeError, []), (RuntimeError, [Fails("after_epoch", CancelFitException)])):
        told = Told()
        told.order = 20
        with pytest.raises(error):
            learn.fit(1, cbs=[told, Fails("after_fit", error), *cancelled])
        assert told.events.count("after_cancel_fit") == 1


def test_a_fit_that_never_began_is_not_cancelled(learn):
    told = Told()
    learn.add_cb(told)
    with pytest.raises(ValueError, match="zip"):
        learn.fit(1, lr=[0.1, 0.2, 0.3])  # two depths
    assert told.events == []


def test_a_callback_that_fails_to_clean_up_hides_neither_the_error_nor_the_others(learn, caplog):
    told = Told()
    told.order = 40
    with pytest.raises(KeyboardInterrupt, match="on purpose"):
        learn.fit(1, cbs=[told, Fails("after_step", KeyboardInterrupt), Fails("after_cancel_fit", RuntimeError)])
    assert told.events == ["after_cancel_fit"]
    assert "the callback Fails failed to clean up after the fit" in caplog.text


def test_mixup_that_is_interrupted_gives_the_loss_back(learn):
    loss_func = learn.loss_func
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, cbs=[MixUp(), Fails("after_loss", KeyboardInterrupt)])
    assert learn.loss_func is loss_func


def test_a_logger_that_is_interrupted_is_put_away(learn, tmp_path):
    learn.path, logger = tmp_path, learn.logger
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, cbs=[CSVLogger(), Fails("after_loss", KeyboardInterrupt)])
    assert learn.logger is logger
    learn.fit(2, cbs=CSVLogger())
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 3


def autocast_depth():
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
def test_mixed_precision_that_is_interrupted_leaves_no_autocast(learn):
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, cbs=[MixedPrecision(), Fails("after_pred", KeyboardInterrupt)])
    assert autocast_depth() == 0


class Entered(Callback):
    """A callback that is a context manager."""

    def __init__(self):
        self.log = []

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *raised):
        self.log.append("exit")

    def before_validate(self):
        self.log.append("validate")


def test_callbacks_that_are_contexts_are_entered_around_each_fit_and_validation(learn):
    entered = Entered()
    for use in (learn.fit, learn.validate, learn.get_preds):
        entered.log.clear()
        use(1, cbs=entered)
        assert entered.log == ["enter", "validate", "exit"]
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, cbs=[entered, Fails("before_train", KeyboardInterrupt)])
    assert entered.log[-2:] == ["enter", "exit"]


@pytest.fixture
def terminal(monkeypatch, capfd):
    """A function that returns the text on a terminal since the last call."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    return lambda: "".join(capfd.readouterr())


def test_without_the_progress_callback_fits_work_and_say_nothing(learn, terminal):
    with learn.removed_cbs(learn.rich_progress):
        learn.fit(1)
        learn.validate()
    learn.remove_cbs(RichProgress)
    learn.fit(1)
    assert terminal() == ""
    with learn.added_cbs(RichProgress()):
        learn.fit(1)
    assert "valid_loss" in terminal()
    learn.fit(1)
    assert terminal() == ""


def test_fastais_own_progress_and_graph_can_be_added(learn, capfd):
    learn.add_cbs([ProgressCallback(), ShowGraphCallback()])
    learn.fit(2)
    shown = capfd.readouterr().out
    assert "epoch" in shown
    assert "train_loss" in shown
    learn.remove_cb(ShowGraphCallback)
    with learn.no_bar():
        learn.fit(1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("cb", "condition"),
    [
        (ShowGraphCallback, "assert hasattr(self.learn, 'progress')"),
        (lambda: EarlyStoppingCallback(monitor="acuracy"), "assert self.monitor in self.recorder.metric_names[1:]"),
    ],
)
def test_a_callback_that_cannot_work_says_what_it_needs(learn, cb, condition):
    with pytest.raises(TrainingError) as raised:
        learn.fit(1, cbs=cb())
    assert f"a callback cannot run with this learner: AssertionError at `{condition}`" in str(raised.value)


def test_an_index_error_of_ones_own_stays_as_it_is(learn):
    with pytest.raises(IndexError, match="on purpose"):
        learn.fit(1, cbs=Fails("after_step", IndexError))


def test_the_smooth_loss_is_there_in_every_step(learn):
    seen = []
    with pytest.raises(AttributeError):
        learn.smooth_loss  # noqa: B018  reading it is the test
    learn.add_cb(Callback(after_batch=lambda self: seen.append(self.smooth_loss)))
    learn.cbs[-1].order = 55
    learn.fit(1)
    assert [loss.item() for loss in seen[:4]] == learn.recorder.losses


# The finder under fastai's name


def test_fastais_suggestions_are_taken_and_unpacked(learn):
    found = learn.lr_find(num_it=8, suggest_funcs=(minimum, steep))
    low, steepest = found
    assert (low, steepest) == (found.minimum, found.steep)
    for one in (SuggestionMethod.Slide, slide, valley, (valley,)):
        assert len(list(learn.lr_find(num_it=4, suggest_funcs=one))) == 1


@pytest.mark.parametrize(
    ("why", "asked"),
    [("`stop_div` False", {"stop_div": False}), ("`suggest_funcs` <built-in", {"suggest_funcs": (valley, max)})],
)
def test_what_the_finder_does_not_do_is_refused(learn, why, asked):
    with pytest.raises(LRFindError, match=why):
        learn.lr_find(**asked)


def test_the_recorder_draws_the_last_search(learn):
    with pytest.raises(TrainingError, match="call `lr_find` first"):
        learn.recorder.plot_lr_find()
    found = learn.lr_find(num_it=40)
    learn.fit(1)
    drawn = learn.recorder.plot_lr_find().axes[0].lines[0]
    assert drawn.get_xdata() == pytest.approx(found.sweeps[0].lrs)


CANCELS = (CancelBatchException, CancelTrainException, CancelValidException, CancelEpochException)


@pytest.mark.parametrize("error", CANCELS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("event", EVENTS[1:-1])
def test_what_is_cancelled_anywhere_leaves_a_learner_that_fits(learn, event, error):
    """An exception that fastai's `fit` raises is raised here, too."""
    try:
        learn.fit(2, 0.01, cbs=Fails(event, error))
    except error:
        assert autocast_depth() == 0
    learn.fit(1, 0.01)
    assert len(learn.recorder.values) == 1
    assert not any(value != value for value in learn.recorder.values[0])
