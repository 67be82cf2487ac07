"""The outputs of a run: written at its end, equal to fastai's predictions, and refused if the file is damaged."""

import json

import numpy as np
import pytest

from learners.answers.evaluation import evaluate, measure
from learners.answers.outputs import FILE, Outputs
from learners.answers.temperature import fit_temperature
from learners.finished_learner import load_run
from learners.run_directory.opened_run import open_run
from learners.run_directory.run import RunDirectoryError


@pytest.fixture(scope="module")
def run(small_run):
    return small_run


def test_a_fit_leaves_the_logits_of_its_validation_images(run):
    kept = Outputs.load(run / FILE)
    learn = load_run(run)
    logits, targets = learn.get_preds(act=lambda x: x)
    np.testing.assert_array_equal(kept.targets, targets.numpy())
    np.testing.assert_allclose(kept.logits, logits.numpy(), atol=1e-5)
    assert kept.names == [image.name for image in learn.dls.source.valid]
    assert kept.classes == learn.dls.source.classes


def test_they_are_what_a_later_look_at_the_images_gives(run):
    kept, later = Outputs.load(run / FILE), measure(open_run(run, None)).outputs
    np.testing.assert_allclose(kept.logits, later.logits, atol=1e-6)
    assert (kept.predicted == kept.targets).mean() == pytest.approx(evaluate(run)["accuracy"], abs=1e-6)


def test_a_fit_keeps_its_temperature(run):
    kept = Outputs.load(run / FILE)
    stored = json.loads((run / "model.json").read_text())["temperature"]
    assert stored == fit_temperature(kept.logits, kept.targets)


def test_losses_and_probabilities_are_those_of_the_logits(run):
    kept = Outputs.load(run / FILE)
    at_target = kept.probabilities()[np.arange(100), kept.targets]
    np.testing.assert_allclose(kept.losses, -np.log(at_target), rtol=1e-9)


def test_a_damaged_file_is_named(run, tmp_path):
    damaged = tmp_path / FILE
    damaged.write_bytes((run / FILE).read_bytes()[:1000])
    with pytest.raises(RunDirectoryError, match=f"{FILE} is damaged"):
        Outputs.load(damaged)
