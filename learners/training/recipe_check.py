"""Check before the first step that a learner still matches its recipe, and before any file is written."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastai.data.load import DataLoader

from callbacks.upstream import uncompiled
from data.block import ImageLoaders
from data.common.errors import InputError
from learners.models import model_name
from learners.training.session import frozen_parameters

if TYPE_CHECKING:
    from learners.learner import ImageLearner

SETTINGS_WITHOUT_EFFECT = ("workers", "cache")  # settings of the loaders that do not change the batches
PLAIN_FIT = "or train without the recipe: learn.fit_one_cycle(epochs)"


class LearnerError(InputError):
    """The learner cannot be trained in its present state."""


def check_matches_recipe(learn: "ImageLearner") -> None:
    """Check that the learner would train as its recipe says.

    Raises:
        LearnerError: a part of the learner differs; the message names it and says what to do.
    """
    for check in (_exported, _other_loaders, _other_batches, _other_model, _other_optimizer, _frozen):
        if obstacle := check(learn):
            raise LearnerError(f"fit_recipe cannot train as the recipe says: {obstacle}")


def check_images(dls: Any) -> None:
    """Check that there is a training loader with images and a validation loader.

    Raises:
        LearnerError: the training set is empty, as after `load_learner`; or `dls` is a single loader, which
            `learn.dls.new(…)` returns.
    """
    if isinstance(dls, DataLoader):
        raise LearnerError(
            "learn.dls is a single loader, and a fit needs one for training and one for validation; make them with "
            "image_dls(data, recipe)"
        )
    if is_empty(dls):
        raise LearnerError(
            "this learner has no images, because `load_learner` returned it; set its data loaders: "
            "learn.dls = image_dls(data, learn.recipe)"
        )


def is_empty(dls: Any) -> bool:
    """Return whether the training set of these loaders has a length and it is 0."""
    images = dls.train_ds
    return hasattr(images, "__len__") and len(images) == 0


def _exported(learn: "ImageLearner") -> str | None:
    if learn.exported:
        return f"load_learner returned this learner, which is trained already; make one with image_learner, {PLAIN_FIT}"
    return None


def _other_loaders(learn: "ImageLearner") -> str | None:
    dls = learn.dls
    if not isinstance(dls, ImageLoaders):
        return (
            f"learn.dls is a {type(dls).__name__}, not made from the recipe; image_learner takes the data, {PLAIN_FIT}"
        )
    ours, plans = asdict(dls.settings), asdict(learn.plan.loading)
    other = [name for name in plans if ours[name] != plans[name] and name not in SETTINGS_WITHOUT_EFFECT]
    if other:
        found = ", ".join(f"{name} {ours[name]} instead of {plans[name]}" for name in other)
        return f"learn.dls was replaced by loaders with {found}; pass the setting to image_learner, {PLAIN_FIT}"
    if dls.source.fingerprint != learn.made_with.fingerprint:
        return f"learn.dls holds other images than {learn.plan.data}; pass them to image_learner as `data`, {PLAIN_FIT}"
    return None


def _other_batches(learn: "ImageLearner") -> str | None:
    bs = learn.dls.train.bs
    if bs != learn.plan.batch_size:
        return f"learn.dls.train.bs is {bs} instead of {learn.plan.batch_size}; pass `batch_size` to image_learner"
    return None


def _other_model(learn: "ImageLearner") -> str | None:
    if uncompiled(learn.model) is not learn.model:
        return "learn.model was wrapped by torch.compile; use the setting `compile` of image_learner instead"
    name = model_name(learn.model)
    if name != learn.plan.model:
        return f"learn.model is {name} instead of {learn.plan.model}; pass the net to image_learner as `model`"
    return None


def _other_optimizer(learn: "ImageLearner") -> str | None:
    if learn.opt_func is not learn.made_with.opt_func:
        return f"learn.opt_func was replaced; the setting `optimizer` chooses one, {PLAIN_FIT}"
    if learn.splitter is not learn.made_with.splitter:
        return f"learn.splitter was replaced; the recipe has its own parameter groups, {PLAIN_FIT}"
    if learn.wd is not None:
        return f"learn.wd is {learn.wd}; use the setting `weight_decay` of image_learner instead, {PLAIN_FIT}"
    return None


def _frozen(learn: "ImageLearner") -> str | None:
    frozen = sorted(frozen_parameters(learn.model) - learn.made_with.frozen)
    if frozen:
        return f"{len(frozen)} parameters are frozen, among them {frozen[0]}; call learn.unfreeze() first, {PLAIN_FIT}"
    return None
