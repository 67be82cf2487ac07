"""Files that a session saves itself are in the run directory, before, during and after the run."""

import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import SaveModelCallback
from fastai.learner import load_learner

from callbacks import GradCAMCallback
from learners import image_learner
from learners.run_directory.run import RunDirectoryError
from tests.learners.small_runs import NAMED, history_of, small_architecture


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


def test_saving_before_in_and_after_the_run(tmp_path):
    run = tmp_path / "run"
    learn = image_learner(**NAMED, cbs=[CSVLogger(), SaveModelCallback()], out=run)
    learn.validate()
    learn.fit_one_cycle(1, 0.01)
    learn.save("before")
    learn.remove_cb(CSVLogger)  # whose closed file fastai cannot export
    learn.export()
    assert [path.name for path in run.iterdir()] == ["learner"]
    learn = image_learner(**NAMED, cbs=[CSVLogger(), SaveModelCallback()], out=run)
    learn.fit_recipe()
    learn.save("after")
    learn.remove_cb(CSVLogger)
    learn.export("after.pkl")
    models = {path.name for path in (run / "learner/models").iterdir()}
    assert models == {"before.pth", "after.pth", "model.pth"}
    path = learn.dls.valid_ds.items[0]
    found = load_learner(run / "learner/after.pkl").predict(path)[2]
    torch.testing.assert_close(found, learn.predict(path)[2], atol=1e-5, rtol=0)
    assert len(history_of(run)) == 3
    logged = (run / "learner/history.csv").read_text().splitlines()
    assert logged[0] == "epoch,train_loss,valid_loss,accuracy"
    assert len(logged) == 1 + 3


def test_nothing_is_made_where_nothing_is_saved(tmp_path):
    learn = image_learner(**NAMED, cbs=[GradCAMCallback(layer="0")], out=tmp_path / "some/run")
    learn.fit(1, 0.01)
    learn.validate()
    assert not list(tmp_path.iterdir())
    learn.fit_recipe()
    assert not (tmp_path / "some/run/learner").exists()
    assert (tmp_path / "some/run/grad_cam.png").exists()  # of the run itself


def test_other_files_still_make_a_directory_not_empty(tmp_path):
    (tmp_path / "learner").mkdir()
    image_learner(**NAMED, out=tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RunDirectoryError, match="not empty"):
        image_learner(**NAMED, out=tmp_path)


class Fails(Callback):
    def before_batch(self):
        raise KeyboardInterrupt


def test_a_logger_that_was_interrupted_logs_again(tmp_path):
    learn = image_learner(**NAMED, cbs=[CSVLogger()], out=tmp_path / "run")
    former = learn.logger
    with pytest.raises(KeyboardInterrupt):
        learn.fit(1, 0.01, cbs=Fails())
    assert learn.logger is former
    learn.fit(2, 0.01)
    assert len((tmp_path / "run/learner/history.csv").read_text().splitlines()) == 3
