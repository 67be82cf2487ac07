"""A new source needs one new file: a function that lists images, registered under the name for the setting `data`."""

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import FakeData

from data import open_source
from data.items import ImageFile
from data.sources.registry import SOURCES, Splits, Suits, source
from learners import image_learner

SHORT = {"size": 8, "epochs": 1, "batch_size": 8, "device": "cpu"}


def picture(i):
    """Returns noise that is red for even numbers and blue for odd ones."""
    pixels = np.random.default_rng(i).integers(0, 100, (8, 8, 3), np.uint8)
    pixels[..., 2 * (i % 2)] += 150
    return Image.fromarray(pixels)


@pytest.fixture
def colours(tmp_path):
    """Twenty images of two colours, and the function that a contributor would write in a new file."""
    for i in range(20):
        picture(i).save(tmp_path / f"{i}.png")

    @source("colours", suits=Suits(mirror="random", crop=0.0))
    def listed(data):
        files = [ImageFile(str(tmp_path), ("red", "blue")[i % 2], f"{i}.png", 0, 0) for i in range(20)]
        return Splits(files[:12], files[12:])

    yield listed
    del SOURCES["colours"]


def test_a_registered_source_is_opened_by_name_and_trains(colours):
    opened = open_source("colours")
    assert (opened.classes, opened.mirror, opened.crop) == (["blue", "red"], "random", 0.0)
    learn = image_learner("colours", **SHORT)
    assert learn.plan.mirror == "random"
    assert learn.fit_recipe()["train_images"] == 12


def test_a_table_of_labels_trains_resumes_and_is_evaluated(app, tmp_path):
    rows = ["file,label,split"]
    for i in range(24):
        picture(i).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{('warm', 'cold')[i % 2]},{'train' if i < 16 else 'valid'}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(rows))
    flags = [part for name, value in SHORT.items() for part in (f"--{name.replace('_', '-')}", value)]
    done = app("fit", "--data", table, *flags, "--out", tmp_path / "run", "--json")
    assert (done.code, done.json["train_images"], done.json["valid_images"]) == (0, 16, 8)
    again = app("evaluate", tmp_path / "run", "--json")
    assert again.json["accuracy"] == pytest.approx(done.json["accuracy"])
    elsewhere = app("evaluate", tmp_path / "run", "--data", table, "--json")
    assert elsewhere.json["valid_images"] == 8


def test_a_dataset_of_torchvision_trains_without_a_file():
    learn = image_learner(FakeData(size=40, image_size=(3, 8, 8), num_classes=2), **SHORT)
    results = learn.fit_recipe()
    assert (results["data"], results["train_images"], results["valid_images"]) == ("FakeData", 32, 8)
