"""Each exported file, in a process without this project, predicts the classes that `Predictor` predicts.

The scripts use only the facts in the file.
"""

import json
import subprocess
import sys

import pytest

from data import open_source
from learners import Predictor, image_learner
from learners.export.exporting import export

READ = """
import importlib.util, json, sys
import numpy as np
from PIL import Image, ImageOps
assert importlib.util.find_spec("learners") is None

def read(paths, size):
    pictures = [Image.open(path).convert("RGB") for path in paths]
    return np.stack([np.asarray(ImageOps.fit(p, (size, size), Image.Resampling.BILINEAR)) for p in pictures])

def tell(probabilities, facts):
    print(json.dumps([[facts["classes"][row.argmax()], float(row.max())] for row in np.asarray(probabilities)]))

file, *paths = sys.argv[1:]
"""
ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession(file)
facts = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
tell(session.run(None, {session.get_inputs()[0].name: read(paths, facts["size"])})[0], facts)
"""
TORCH_EXPORT = """
import torch
found = {"facts.json": ""}
model = torch.export.load(file, extra_files=found).module()
facts = json.loads(found["facts.json"])
with torch.no_grad():
    tell(model(torch.from_numpy(read(paths, facts["size"]))), facts)
"""
SAFETENSORS = """
import torch, torchvision
from safetensors import safe_open
with safe_open(file, "pt") as opened:
    facts = {name: json.loads(text) for name, text in opened.metadata().items()}
    weights = {name.replace("shortcut", "downsample"): opened.get_tensor(name) for name in opened.keys()}
net = torchvision.models.resnet18(num_classes=len(facts["classes"]))
net.conv1, net.maxpool = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False), torch.nn.Identity()
net.load_state_dict(weights)
mean, std = np.array(facts["mean"]), np.array(facts["std"])
x = torch.from_numpy((read(paths, facts["size"]) / 255 - mean) / std).permute(0, 3, 1, 2).float()
with torch.no_grad():
    tell((net.eval()(x) / facts["temperature"]).softmax(1), facts)
"""
SCRIPTS = {"onnx": ONNX, "torch-export": TORCH_EXPORT, "safetensors": SAFETENSORS}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of ResNet18 on digits that are resized from 16 to 12 pixels, with a temperature."""
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner("digits", out=out, size=12, limit=60, batch_size=16, epochs=2, device="cpu").fit_recipe()
    path = out / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": 0.8}))
    return out


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_names_the_same_classes_with_the_same_probabilities(run, name, tmp_path):
    for package in ("onnxruntime", "onnxscript") if name == "onnx" else ():
        pytest.importorskip(package)
    file = export(run, name, tmp_path / "exported.pt2").out
    paths = [str(image.path) for image in open_source("digits", limit=60).valid[:50]]
    command = [sys.executable, "-I", "-c", READ + SCRIPTS[name], str(file), *paths]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = Predictor(run, device="cpu")(paths)
    found = json.loads(done.stdout)
    assert [label for label, _ in found] == [answer.label for answer in answers]
    assert [p for _, p in found] == pytest.approx([answer.probability for answer in answers], abs=1e-4)
    assert len({label for label, _ in found}) > 1
