"""A few images of the real CIFAR-10, if its archives are beside the repository."""

import tarfile
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

ARCHIVES = Path(__file__).parents[2] / "shared" / "cifar10"
PER_CLASS = 8

needs_cifar10 = pytest.mark.skipif(
    not ARCHIVES.is_dir(), reason="no archives of the real CIFAR-10 beside the repository"
)


def few_of_cifar10(root: Path) -> Path:
    """Make a folder with eight training and eight test images of each class."""
    for name in ("train-1", "test"):
        with tarfile.open(ARCHIVES / f"{name}.tgz") as archive:
            taken = Counter()
            wanted = (m for m in archive if m.isfile() and taken[Path(m.name).parent] < PER_CLASS)
            for member in islice(wanted, 10 * PER_CLASS):
                taken[Path(member.name).parent] += 1
                archive.extract(member, root, filter="data")
    return root / "cifar10"
