"""The hyperparameters of a run, each with its unit and its source.

This module does not import torch, because the command line reads it for `--help`.
"""

import difflib
import inspect
import logging
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from data.common.errors import InputError
from data.settings import Cache, DataSettings, Mirror
from data.sources.registry import data_help
from learners.setting import FORMER_NAMES, help_of, setting, settings_table

if TYPE_CHECKING:
    from data.opening import Source

log = logging.getLogger(__name__)

PEAK_FRACTION = 5 / 24  # position of the learning rate's peak, as a fraction of the run: epoch 5 of 24
REFERENCE_LR, REFERENCE_BATCH = 0.25, 256  # default learning rate for this batch size, to which it is proportional
MIN_EPOCH_STEPS, MIN_RUN_STEPS = 32, 200  # minimum steps; the default batch size is halved until both hold
MIN_BATCH_SIZE = 16  # smallest default batch size, in images
# Pixels of the smallest batch for which Muon is the default. Its update takes a third of the time of such a step, and
# the same time for any batch.
MIN_MUON_BATCH_PIXELS = 65_536


class RecipeError(InputError):
    """A setting has an unknown name or an invalid value."""


@dataclass(frozen=True)
class Recipe:
    """The settings that the user asks for; those that are left open depend on the data.

    `resolve` makes the `Plan` of the run once the data are loaded.

    Raises:
        RecipeError: a setting has an invalid value; the message names the setting.
    """

    data: str = setting("cifar10", data_help())
    model: str = setting("resnet18", "architecture of the net")
    epochs: int = setting(24, "passes over the training images")
    peak_epoch: float | None = setting(None, "epoch at which the learning rate peaks [default: 5/24 of the run]")
    lr: float | str | None = setting(
        None, "peak learning rate, or auto to measure it [default: 0.25 per 256 images of a batch]"
    )
    batch_size: int | None = setting(None, "images per step [default: 256, fewer for small data sets]")
    size: int | None = setting(None, "side of the square images in pixels [default: the data's own, at most 64]")
    seed: int = setting(0, "seed of initial weights, order and augmentation")
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "device to train on")
    limit: int | None = setting(None, "at most this many training and validation images, class-balanced")
    holdout: int | None = setting(None, "validate on this many training images and leave the test images alone")
    skip_bad: bool = setting(False, "leave out images that cannot be read, and list them in recipe.json")
    balance: bool = setting(False, "weight the training loss so that rare classes count as much as frequent ones")
    workers: int = setting(
        0, "processes that make batches, if neither the cache nor the GPU does [0: chosen automatically]"
    )
    cache: Cache = setting("auto", "keep decoded images: memory always, auto up to 512 MiB, none never")
    momentum: float = setting(0.9, "Nesterov momentum, held constant")
    weight_decay: float = setting(1e-3, "L2 penalty on the weights, not on biases or norms")
    decay: Literal["linear", "cosine"] = setting("linear", "shape of the learning rate's fall from its peak to its end")
    div: float = setting(5.0, "the learning rate starts at the peak divided by this")
    div_final: float = setting(1e5, "the learning rate ends at the peak divided by this")
    label_smoothing: float = setting(0.2, "probability spread over all classes (Szegedy et al. 2016)")
    crop: float | None = setting(
        None, "reflected border to crop from, as a fraction of the side [default: depends on the data]"
    )
    mirror: Mirror | None = setting(
        None,
        "mirror images: alternate by epoch (Jordan 2024), random, or none [default: depends on the data]",
    )
    zero_init_residual: bool = setting(
        False, "zero the last norm of each residual block, which then starts as its shortcut (Goyal et al. 2017)"
    )
    whiten: bool = setting(True, "initialise the stem with whitening filters of the training images (Page 2019)")
    init: Literal["default", "kaiming"] = setting(
        "default", "initial filters: PyTorch's, or of variance 2 / fan-out (He et al. 2015)"
    )
    freeze_stem: float = setting(0.0, "epochs for which the filters of the stem are not trained")
    norm_bias_lr_scale: float = setting(
        8.0, "learning rate of the norm layers' biases, as a multiple of that of the other parameters (Jordan 2024)"
    )
    optimizer: Literal["sgd", "muon"] | None = setting(
        None,
        "sgd, or muon: orthogonal steps for the filters (Jordan 2024) and sgd for the rest "
        f"[default: muon if a batch has {MIN_MUON_BATCH_PIXELS:,} pixels or more, otherwise sgd]",
    )
    sam: float = setting(
        0.0, "last fraction of the run that also minimises sharpness (Foret et al. 2021); its steps take twice the time"
    )
    ema: bool = setting(True, "validate and save an average of the weights (Polyak and Juditsky 1992)")
    graph: bool = setting(True, "on a GPU, run the model's training passes as CUDA graphs if the result is the same")
    compile: bool = setting(False, "compile the model with torch.compile before the run")
    log: Literal["tensorboard", "wandb", "mlflow"] | None = setting(
        None, "also log metrics, curves and recipe with this tracker, which keeps them in the run directory"
    )
    cutout: float = setting(0.25, "side of the square that is blanked, as a fraction of the image's side")

    def __post_init__(self) -> None:
        self._convert_lr()
        for name, hint in get_type_hints(type(self)).items():
            self._check_choice(name, hint)
        self._require("epochs", self.epochs >= 1, "must be at least 1")
        for name in ("batch_size", "limit", "holdout"):
            self._require(name, getattr(self, name) is None or getattr(self, name) >= 1, "must be at least 1")
        self._require("size", self.size is None or self.size >= 8, "must be at least 8 pixels")
        self._require("seed", self.seed >= 0, "must not be negative")
        self._require("workers", self.workers >= 0, "must not be negative")
        self._require("div", self.div >= 1, "must be at least 1")
        self._require("div_final", self.div_final >= 1, "must be at least 1")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "must be a finite number from 0")
        self._require("norm_bias_lr_scale", 0 < self.norm_bias_lr_scale < math.inf, "must be a positive number")
        self._require("freeze_stem", 0 <= self.freeze_stem <= self.epochs, f"must lie in the {self.epochs} epochs")
        self._require("sam", 0 <= self.sam <= 1, "must be in [0, 1]")
        for name in ("momentum", "label_smoothing", "crop", "cutout"):
            self._require(name, 0 <= (getattr(self, name) or 0) < 1, "must be in [0, 1)")
        peak = self.peak_epoch
        self._require("peak_epoch", peak is None or 0 < peak < self.epochs, f"must lie inside the {self.epochs} epochs")
        rate = self.lr
        self._require("lr", rate in (None, "auto") or 0 < float(rate) < math.inf, "must be a positive number or auto")

    def _convert_lr(self) -> None:
        """Convert `lr` from text to float, because the command line passes it as text."""
        if self.lr not in (None, "auto"):
            try:
                object.__setattr__(self, "lr", float(self.lr))
            except ValueError:
                raise RecipeError(f"lr {self.lr!r}: must be a positive number or auto") from None

    def _check_choice(self, name: str, hint: Any) -> None:
        literals = [h for h in (hint, *get_args(hint)) if get_origin(h) is Literal]
        choices = [c for h in literals for c in get_args(h)]
        value = getattr(self, name)
        self._require(name, not choices or value in choices or value is None, f"choose from {', '.join(choices)}")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise RecipeError(f"{name} {getattr(self, name)!r}: {rule}")

    @classmethod
    def of(cls, **settings: Any) -> "Recipe":
        """Return a recipe from keywords.

        Raises:
            RecipeError: a keyword is not the name of a setting; the message names the nearest one.
        """
        known = [f.name for f in fields(cls)]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(FORMER_NAMES.get(name, name), known, n=1) or known
                raise RecipeError(f"unknown setting {name!r}; did you mean {', '.join(near)}?")
        return cls(**settings)

    def resolve(self, images: int, size: int, mirror: Mirror, crop: float) -> "Plan":
        """Return the plan of the run: this recipe with a value for every open setting.

        Args:
            images: number of training images.
            size: default side of the images, in pixels.
            mirror: default mirroring of the images.
            crop: default border to crop from, as a fraction of the side.
        """
        batch_size = self.batch_size or _default_batch_size(images, self.epochs)
        if batch_size > images:
            log.warning("batch size %d is reduced to the number of training images, %d", batch_size, images)
            batch_size = images
        settled = {
            "batch_size": batch_size,
            "lr": self.lr if isinstance(self.lr, float) else REFERENCE_LR * batch_size / REFERENCE_BATCH,
            "peak_epoch": self.peak_epoch or self.epochs * PEAK_FRACTION,
            "size": (side := self.size or size),
            "mirror": self.mirror or mirror,
            "crop": crop if self.crop is None else self.crop,
            "optimizer": self.optimizer or ("muon" if batch_size * side**2 >= MIN_MUON_BATCH_PIXELS else "sgd"),
        }
        return Plan(**asdict(self) | settled)

    def plan_for(self, source: "Source") -> "Plan":
        """Return the plan of a run on the images of an opened source."""
        return self.resolve(len(source.train), source.size, source.mirror, source.crop)

    def data_settings(self, source: "Source") -> DataSettings:
        """Return the settings of the data loaders for an opened source."""
        return self.plan_for(source).loading

    def to_dict(self) -> dict[str, Any]:
        """Return all settings in plain values."""
        return asdict(self)

    def __repr__(self) -> str:
        """Return the settings that differ from their defaults."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"

    def _repr_html_(self) -> str:
        """Return a table of all settings, which a notebook shows."""
        return settings_table(fields(Recipe), self)


def settings_text(but: Collection[str] = ()) -> str:
    """Return one line per setting, except those in `but`, with its name, description and default."""
    return "\n".join(f"    {f.name}: {help_of(f)}" for f in fields(Recipe) if f.name not in but)


Recipe.__doc__ = f"{inspect.getdoc(Recipe)}\n\nAttributes:\n{settings_text()}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan(Recipe):
    """The settings of a run after every open setting was given a value.

    `limit`, `holdout` and `log` may still be None: no images are left out, none are held out, no tracker is used.

    Attributes:
        lr: peak learning rate. If the recipe says auto, it is the default until the finder has measured one.
        peak_epoch: epoch at which the learning rate peaks.
        batch_size: images per step.
        size: side of the square images, in pixels.
        mirror: mirroring of the training images; see `DataSettings`.
        crop: reflected border to crop from, as a fraction of the side.
        optimizer: sgd or muon.
    """

    lr: float = field()
    peak_epoch: float = field()
    batch_size: int = field()
    size: int = field()
    mirror: Mirror = field()
    crop: float = field()
    optimizer: Literal["sgd", "muon"] = field()

    @property
    def loading(self) -> DataSettings:
        """The settings of the data loaders."""
        return DataSettings(**{f.name: getattr(self, f.name) for f in fields(DataSettings)})


def _default_batch_size(images: int, epochs: int) -> int:
    batch_size, min_steps = REFERENCE_BATCH, max(MIN_EPOCH_STEPS, MIN_RUN_STEPS / epochs)
    while batch_size > MIN_BATCH_SIZE and images // batch_size < min_steps:
        batch_size //= 2
    return batch_size
