"""The real CIFAR-10, where its archives lie beside the repository."""

import json
import tarfile
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

ARCHIVES = Path(__file__).parents[2] / "shared" / "cifar10"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PER_CLASS = 8

pytestmark = pytest.mark.skipif(not ARCHIVES.is_dir(), reason="no archives of the real CIFAR-10 beside the repository")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Eight images of each class from either set."""
    root = tmp_path_factory.mktemp("real")
    for name in ("train-1", "test"):
        with tarfile.open(ARCHIVES / f"{name}.tgz") as archive:
            taken = Counter()
            wanted = (m for m in archive if m.isfile() and taken[Path(m.name).parent] < PER_CLASS)
            for member in islice(wanted, 10 * PER_CLASS):
                taken[Path(member.name).parent] += 1
                archive.extract(member, root, filter="data")
    return root / "cifar10"


def test_it_trains_in_place_with_the_published_net(app, folder, tmp_path):
    done = app("fit", "--data", folder, "--limit", 40, "--epochs", 2, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert (done.json["train_images"], done.json["valid_images"]) == (40, 40)
    assert done.json["parameters"] == 11_173_962
    recipe = json.loads((tmp_path / "run/recipe.json").read_text())
    assert recipe["classes"] == CLASSES
    assert (recipe["size"], recipe["mirror"], recipe["crop"]) == (32, "alternate", 0.125)


def test_its_own_folder_stays_as_it_was(folder):
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".png"}
