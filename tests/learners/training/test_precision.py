"""recipe.json holds the precision of a run, as observed in its first step."""

import json

import pytest
import torch
from fastai.learner import Learner

import learners.training.step
from learners import image_learner


def bf16(device):
    return torch.autocast(device.type, torch.bfloat16)


def recorded(run):
    return json.loads((run / "recipe.json").read_text())["precision"]


@pytest.mark.parametrize("renamed", [None, "_do_one_batch", "_do_grad_opt", "_do_epoch_validate"])
def test_a_fastai_with_other_private_methods_trains_in_the_same_precision_or_not_at_all(
    renamed, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(learners.training.step, "autocast", bf16)
    seen = []
    learn = image_learner(**tiny, out=tmp_path / "run")

    def note(module, args, output):
        if module.training:
            seen.append(output.dtype)

    learn.model.layer1.register_forward_hook(note)
    if renamed:
        monkeypatch.setattr(Learner, f"renamed{renamed}", getattr(Learner, renamed), raising=False)
        monkeypatch.delattr(Learner, renamed)
    try:
        learn.fit_recipe()
    except AttributeError as error:
        assert renamed in str(error)  # noqa: PT017  fastai's own fit needs it
        return
    assert set(seen) == {torch.bfloat16}
    assert recorded(tmp_path / "run") == "bf16"


def test_what_is_recorded_is_what_ran_and_not_what_the_device_could(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("learners.resume.precision", lambda device: "bf16")
    monkeypatch.setattr("learners.device.precision", lambda device: "bf16")
    monkeypatch.setattr(learners.training.step, "autocast", lambda device: torch.autocast(device.type, enabled=False))
    image_learner(**tiny, out=tmp_path / "run").fit_recipe()
    assert recorded(tmp_path / "run") == "fp32"
