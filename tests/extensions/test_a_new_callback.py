"""A callback that a setting turns on needs one new file, which registers it under the name of the `Recipe` field."""

import pytest
from fastai.callback.core import Callback

from callbacks.optional import TURNED_ON_BY, turned_on_by
from learners import image_learner, resume_learner
from learners.training.session import SessionError


@pytest.fixture
def counter():
    """The class that a contributor would write in a new file; here the setting is an existing one."""
    made = []

    @turned_on_by("cutout")
    class StepCounter(Callback):
        def __init__(self, value):
            self.value, self.steps = value, 0
            made.append(self)

        def after_step(self):
            self.steps += 1

        def state_dict(self):
            return {"steps": self.steps}

        def load_state_dict(self, state):
            self.steps = state["steps"]

    yield made
    del TURNED_ON_BY["cutout"]


def test_it_works_where_the_setting_is_on_and_gets_its_value(counter, tiny):
    learn = image_learner(**tiny, cutout=0.25)
    learn.fit_recipe()
    (made,) = counter
    assert (made.value, made.steps) == (0.25, len(learn.fitted.steps))


def test_it_is_absent_where_the_setting_is_off(counter, tiny):
    image_learner(**tiny, cutout=0.0).fit_recipe()
    assert counter == []


class Stop(Callback):
    def after_step(self):
        if self.train_iter == 3:
            raise KeyboardInterrupt


class Kept(Callback):
    def before_fit(self):
        self.seen = 0

    def after_step(self):
        self.seen += 1

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


def test_a_run_that_lacks_a_callback_with_a_state_is_told_which(tiny, tmp_path):
    learn = image_learner(**tiny, cbs=[Kept(), Stop()], out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        learn.fit_recipe(checkpoint_minutes=0)
    resumed = type("Stop", (Callback,), {})  # a class of the same name, as after a change of its file
    with pytest.raises(SessionError, match="trained with the callback Kept, which this learner does not have"):
        resume_learner(tmp_path / "run", cbs=[resumed()]).fit_recipe()
    again = resume_learner(tmp_path / "run", cbs=[Kept(), resumed()])
    again.fit_recipe()
    assert again.kept.seen == len(again.fitted.steps)
