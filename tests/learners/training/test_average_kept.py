"""With an average of the weights, the model holds the validated weights, however a fit ends."""

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelEpochException, CancelFitException, CancelTrainException
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback

from callbacks.optional.weight_average import WeightAverage
from learners import image_learner
from tests.learners.small_runs import small_net


@pytest.fixture
def learn(tiny, tmp_path):
    torch.manual_seed(0)
    learn = image_learner(**tiny, model=small_net(), device="cpu")
    learn.path = tmp_path
    return learn


def weights(model):
    return {name: t.clone() for name, t in model.state_dict().items() if t.is_floating_point()}


def equal(ours, theirs):
    return all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


class Watch(Callback):
    """Records the weights after each step, in each validation, and in callbacks after it."""

    order = 90

    def before_fit(self):
        self.trained, self.validated, self.seen = [], [], []

    def after_step(self):
        self.trained.append(weights(self.model))

    def before_validate(self):
        self.validated.append(weights(self.model))

    def after_epoch(self):
        self.seen.append(weights(self.model))

    def is_mean(self, model):
        """Return whether the model holds the plain mean of the weights of all steps."""
        for name, tensor in weights(model).items():
            mean = torch.stack([step[name].double() for step in self.trained]).mean(0)
            if not torch.allclose(tensor.double(), mean, rtol=1e-4, atol=1e-6):
                return False
        return True


def test_callbacks_after_an_epoch_see_the_model_that_was_measured(learn):
    watch = Watch()
    learn.fit(3, 0.1, cbs=[watch, WeightAverage(1.0)])
    assert all(map(equal, watch.seen, watch.validated))
    assert not equal(watch.seen[0], watch.trained[3])


@pytest.mark.parametrize(("monitor", "comp"), [("valid_loss", np.less), ("valid_loss", np.greater), ("accuracy", None)])
def test_the_model_that_is_saved_as_the_best_is_the_best(learn, monitor, comp):
    watch = Watch()
    learn.fit(4, 0.3, cbs=[watch, WeightAverage(1.0), SaveModelCallback(monitor=monitor, comp=comp, fname="best")])
    column = list(learn.recorder.metric_names[1:]).index(monitor)
    values = [row[column] for row in learn.recorder.values]
    best = values.index(min(values) if comp is np.less else max(values))
    assert best < 3 or comp is not np.greater  # the greatest loss is not that of the last epoch
    saved = torch.load(learn.path / "models/best.pth", weights_only=True)
    assert equal(saved, watch.validated[best])
    assert equal(weights(learn.model), watch.validated[best])  # fastai loads the best at the end
    assert learn.validate()[column - 1] == pytest.approx(values[best], abs=1e-6)


def test_a_run_that_stops_early_leaves_the_model_that_was_measured_last(learn):
    watch = Watch()
    learn.fit(5, 0.1, cbs=[watch, WeightAverage(1.0), EarlyStoppingCallback(min_delta=100)])
    assert len(watch.validated) == 2
    assert equal(weights(learn.model), watch.validated[-1])


class Ends(Callback):
    """Raises at an event of the second epoch; at events of a step, only in training."""

    order, run_valid = -30, False  # before the average has seen the event

    def __init__(self, event, error):
        self.error = error
        setattr(self, event, self.end)

    def end(self):
        if self.epoch == 1:
            raise self.error


EVENTS = "before_epoch before_train before_batch after_pred before_step after_batch after_train".split()
EVENTS += "before_validate after_validate after_epoch".split()


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("error", [CancelFitException, KeyboardInterrupt, RuntimeError])
def test_however_a_fit_ends_the_model_holds_the_average(learn, event, error):
    watch = Watch()
    cbs = [watch, WeightAverage(1.0), Ends(event, error)]
    if error is CancelFitException:
        learn.fit(3, 0.1, cbs=cbs)
    else:
        with pytest.raises(error):
            learn.fit(3, 0.1, cbs=cbs)
    assert len(watch.trained) >= 4
    assert watch.is_mean(learn.model)


@pytest.mark.parametrize("error", [CancelTrainException, CancelEpochException])
def test_training_goes_on_from_its_own_weights_after_a_cancelled_epoch(learn, tiny, error):
    watch = Watch()
    learn.fit(3, 0.1, cbs=[watch, WeightAverage(1.0), Ends("before_batch", error)])
    assert len(watch.trained) == 8
    torch.manual_seed(0)
    plain, other = image_learner(**tiny, model=small_net(), device="cpu"), Watch()
    plain.fit(3, 0.1, cbs=[other, Ends("before_batch", error)])
    assert all(map(equal, watch.trained, other.trained))
    assert watch.is_mean(learn.model)


def test_before_the_first_step_there_is_no_average(learn):
    before = weights(learn.model)
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, 0.1, cbs=[WeightAverage(1.0), Callback(before_batch=interrupt)])
    assert equal(weights(learn.model), before)


def interrupt(self):
    raise KeyboardInterrupt


def test_a_second_fit_that_fails_at_once_keeps_what_it_found(learn):
    average = WeightAverage(1.0)
    learn.fit(1, 0.1, cbs=average)
    with torch.no_grad():
        learn.model[0].weight.zero_()
    first = Callback(before_fit=interrupt)
    first.order = -50
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, 0.1, cbs=[first, average])
    assert not learn.model[0].weight.any()
