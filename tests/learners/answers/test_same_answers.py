"""`metrics.json`, `evaluate`, `Predictor`, ONNX and fastai agree on the accuracy of a run, to the last image.

The runs are on digits, and on a folder of images in unusual formats.
"""

import json

import numpy as np
import pytest
from PIL import Image

from data import open_source
from learners import Predictor, image_learner
from learners.answers.evaluation import evaluate
from learners.export.exporting import export
from learners.finished_learner import load_run

ROTATED = 6  # EXIF orientation


def store(pixels, path, kind):
    """Save H×W×3 pixels in one of several unusual formats."""
    picture = Image.fromarray(pixels)
    if kind == "sixteen bits":
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(path.with_suffix(".png"))
    elif kind == "floats":
        Image.fromarray(pixels[..., 0].astype(np.float32) / 255).save(path.with_suffix(".tif"))
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = ROTATED
        picture.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif)
    elif kind == "transparent":
        alpha = Image.linear_gradient("L").resize(picture.size)
        picture.putalpha(alpha)
        picture.save(path.with_suffix(".png"))
    elif kind == "palette":
        picture.quantize(16).save(path.with_suffix(".gif"))
    else:
        picture.convert("CMYK").save(path.with_suffix(".jpg"))


KINDS = ("sixteen bits", "floats", "turned", "transparent", "palette", "inks")


def odd_folder(root):
    """A folder of two noisy classes, brighter at the top and at the bottom, with 48 images each."""
    rng = np.random.default_rng(0)
    for label, slope in (("above", -1), ("below", 1)):
        (root / label).mkdir(parents=True)
        for n in range(48):
            ramp = 128 + slope * np.linspace(-25, 25, 30)[:, None, None]
            pixels = np.clip(ramp + rng.normal(0, 60, (30, 40, 3)), 0, 255).astype(np.uint8)
            store(pixels, root / label / f"{n:02d}", KINDS[n % len(KINDS)])
    return root


@pytest.fixture(scope="module", params=["digits", "odd images"])
def run(request, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    base = tmp_path_factory.mktemp("same")
    data = "digits" if request.param == "digits" else odd_folder(base / "images")
    settings = {"size": 8, "limit": 60, "batch_size": 16, "epochs": 2, "device": "cpu"}
    with pytest.MonkeyPatch.context() as patch:  # ONNX has single precision, which is compared with here
        patch.setattr("learners.device.precision", lambda device: "fp32")
        image_learner(data, out=base / "run", **settings).fit_recipe()
        yield base / "run"


def test_every_way_to_ask_counts_the_same_images_as_right(run):
    import onnxruntime

    recipe = json.loads((run / "recipe.json").read_text())
    source = open_source(recipe["data"], limit=recipe["limit"])
    pixels = np.stack([image.read(recipe["size"]) for image in source.valid])
    session = onnxruntime.InferenceSession(export(run, "onnx").out)
    found = session.run(None, {"pixels": pixels})[0]

    answers = Predictor(run, device="cpu")(source.valid)
    assert [answer.label for answer in answers] == [source.classes[n] for n in found.argmax(1)]
    right = [answer.label == image.label for answer, image in zip(answers, source.valid, strict=True)]
    assert 0 < sum(right) < len(right)  # so that a different image shows
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["valid_images"] == len(right)
    for accuracy in (metrics["accuracy"], evaluate(run)["accuracy"], load_run(run, device="cpu").validate()[1]):
        assert accuracy * len(right) == pytest.approx(sum(right), abs=1e-3)
