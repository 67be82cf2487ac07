"""This project's learner with a narrow copy of ResNet18, which a CPU can train many times."""

from functools import partial

from torch import nn

from data import ImageLoaders, Source, image_loaders, open_source
from learners.device import pick_device
from learners.factory import initial_model, learner_of
from learners.learner import ImageLearner
from learners.models.resnet18 import ResNet18
from learners.recipe import Plan, Recipe


def narrow_learner(recipe: Recipe, width: int, source: Source | None = None) -> ImageLearner:
    """Return a learner whose model has `width` channels in its stem; the published model has 64.

    Args:
        source: the opened source, where many learners share it.
    """
    source = source or open_source(recipe.data, recipe.seed, recipe.limit, recipe.holdout)
    plan = recipe.plan_for(source)
    dls = image_loaders(source, plan.loading, device=pick_device(recipe.device))
    return learner_of(dls, narrow_net(dls, plan, width), recipe, plan)


def narrow_net(dls: ImageLoaders, plan: Plan, width: int) -> nn.Module:
    """Return a model with `width` channels in its stem and the initial weights of the plan."""
    return initial_model(dls, plan, partial(ResNet18, width=width))
