"""A new export format needs one new file: a class with a suffix, a method to write and a method to load."""

import copy

import numpy as np
import pytest
import torch

from learners import image_learner
from learners.export.formats import FORMATS, export_format
from tests.learners.small_runs import NAMED, small_architecture


@pytest.fixture
def registered():
    """The class that a contributor would write in a new file."""

    @export_format("numpy")
    class Numpy:
        suffix = ".npz"

        def write(self, model, size, facts, path):
            with path.open("wb") as file:
                np.savez(file, **{name: tensor.numpy() for name, tensor in model.net.state_dict().items()})

        def load(self, path, model):
            restored = copy.deepcopy(model)
            restored.net.load_state_dict({name: torch.from_numpy(array) for name, array in np.load(path).items()})
            return lambda pixels: restored(torch.from_numpy(pixels)).detach().numpy()

    yield
    del FORMATS["numpy"]


def test_it_is_named_on_the_command_line_and_compared_like_the_others(registered, app, tmp_path):
    with small_architecture():
        image_learner(**NAMED | {"epochs": 1}, out=tmp_path / "run").fit_recipe()
        done = app("export", tmp_path / "run", "--format", "numpy", "--json")
    assert done.code == 0, done.err
    assert (done.json["out"], done.json["same_labels"]) == (str(tmp_path / "run/export/model.npz"), 64)
