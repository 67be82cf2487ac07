"""Loaders for tests, on the CPU, with the default settings of the source unless a test sets others."""

from dataclasses import dataclass, field
from typing import Any

import torch

from data import DataSettings, image_dls

CPU = torch.device("cpu")
OPENING = ("seed", "limit", "holdout", "skip_bad")


def settings_for(source, **changes):
    suited = {"size": source.size, "crop": source.crop, "mirror": source.mirror}
    fixed = {"batch_size": 32, "cutout": 0.25, "seed": 0, "workers": 0, "cache": "auto"}
    settings = {**suited, **fixed, **changes}
    settings["batch_size"] = min(settings["batch_size"], len(source.train)) or settings["batch_size"]
    return DataSettings(**settings)


@dataclass(frozen=True)
class SmallRecipe:
    """A `DataRecipe` whose open fields are set by `settings_for`."""

    seed: int = 0
    limit: int | None = None
    holdout: int | None = None
    skip_bad: bool = False
    changes: dict[str, Any] = field(default_factory=dict)

    def data_settings(self, source):
        return settings_for(source, seed=self.seed, **self.changes)


def dls_of(data, stats=None, **changes):
    opening = {name: changes.pop(name) for name in OPENING if name in changes}
    return image_dls(data, SmallRecipe(**opening, changes=changes), stats, CPU)
