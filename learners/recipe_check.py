"""Whether a learner still is what its recipe says: looked at before the first step, and before anything is written."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastai.data.load import DataLoader

from callbacks.upstream import uncompiled
from data.block import ImageLoaders
from data.common.errors import InputError
from learners.models import model_name
from learners.session import frozen_parameters

if TYPE_CHECKING:
    from learners.learner import ImageLearner

SAME_RESULT = ("workers", "cache")  # settings of loaders that change no batch
PLAIN_FIT = "or train without the recipe: learn.fit_one_cycle(epochs)"


class LearnerError(InputError):
    """The learner cannot be trained as it is."""


def check_matches_recipe(learn: "ImageLearner") -> None:
    """Refuse to fit the recipe where the learner would not train as it says.

    Raises:
        LearnerError: what differs, and what to do.
    """
    for check in (_exported, _other_loaders, _other_batches, _other_model, _other_optimizer, _frozen):
        if obstacle := check(learn):
            raise LearnerError(f"fit_recipe cannot train as the recipe says: {obstacle}")


def check_images(dls: Any) -> None:
    """Refuse to train on loaders without images, and on a single loader.

    Raises:
        LearnerError: there are none, as in what `load_learner` returns; or what `learn.dls.new(…)` returns, which is a
            copy of the training loader alone.
    """
    if isinstance(dls, DataLoader):
        raise LearnerError(
            "learn.dls is a single loader, and a fit needs one for training and one for validation; make them with "
            "image_dls(data, recipe)"
        )
    if is_empty(dls):
        raise LearnerError(
            "this learner has no images, as `load_learner` returns it; give it some: "
            "learn.dls = image_dls(data, learn.recipe)"
        )


def is_empty(dls: Any) -> bool:
    """Whether the training set of loaders is known to hold nothing."""
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
    other = [name for name in plans if ours[name] != plans[name] and name not in SAME_RESULT]
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
        return f"learn.splitter was replaced; the recipe has its own groups of parameters, {PLAIN_FIT}"
    if learn.wd is not None:
        return f"learn.wd is {learn.wd}; use the setting `weight_decay` of image_learner instead, {PLAIN_FIT}"
    return None


def _frozen(learn: "ImageLearner") -> str | None:
    frozen = sorted(frozen_parameters(learn.model) - learn.made_with.frozen)
    if frozen:
        return f"{len(frozen)} parameters are frozen, as {frozen[0]}; call learn.unfreeze() before, {PLAIN_FIT}"
    return None
