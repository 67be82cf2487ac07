"""Make a learner from data, model, loss, metrics and callbacks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from fastai.callback.core import Callback
from fastai.learner import Metric
from fastcore.foundation import L
from torch import nn

from callbacks.training.means import accuracy
from callbacks.training.recorder import DeviceMean
from data import ImageLoaders, Source, image_loaders, open_source
from data.common.launch import process_rank
from data.opening import Data
from learners.device import pick_device
from learners.keywords import with_settings
from learners.learner import ImageLearner
from learners.models import build_model, model_name
from learners.recipe import Plan, Recipe
from learners.run_directory.run import Run
from learners.training.balance import class_weights, log_class_balance
from learners.training.initial_weights import initialise
from learners.training.loss import ClassLoss
from learners.training.multi_process import join_processes, share_between_processes
from learners.training.optimizer import body_and_head

AnyMetric: TypeAlias = Metric | Callable[..., Any]  # a function of logits N×C and targets N, or a metric of fastai
Metrics: TypeAlias = AnyMetric | Sequence[AnyMetric] | None  # one or several
Callbacks = Sequence[Callback | type[Callback]]


@with_settings
def image_learner(
    data: Data = "cifar10",
    *,
    model: str | nn.Module | None = None,
    metrics: Metrics = (accuracy,),
    cbs: Callbacks = (),
    out: str | Path | None = None,
    **settings: Any,
) -> ImageLearner:
    """Return a `Learner` for the images of `data`, with `fit_recipe` and all methods of fastai's `Learner`.

    Args:
        data: the name of a data set, a folder of images, a table of labels, or a dataset object; see `open_source`.
        model: the name of an architecture; or a net, which keeps its weights.
        metrics: functions of logits N×C and targets N that return the mean over a batch, or metrics of fastai; one or
            several.
        cbs: further callbacks.
        out: the run directory that `fit_recipe` fills; without it the session writes no files.
        settings: any field of `Recipe`; they are listed below.

    Raises:
        RecipeError: a setting is unknown or has an invalid value.
        DataError: the data cannot be found, downloaded or used.
        RunDirectoryError: `out` exists and is not empty.
        ProcessesError: several processes were launched that cannot train this run together.
    """
    name = model_name(model) if isinstance(model, nn.Module) else model
    recipe = Recipe.of(data=str(data), **settings | ({"model": name} if name else {}))
    device = pick_device(recipe.device)
    processes = join_processes(device, out)
    run = _new_run(out)
    source = open_source(data, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad)
    recipe = replace(recipe, data=source.name)
    return share_between_processes(
        assemble(source, recipe, device, model, metrics=metrics, cbs=cbs, run=run), processes
    )


def _new_run(out: str | Path | None) -> Run | None:
    """Return the new run of this directory; the first process checks that the directory is free."""
    if not out:
        return None
    return Run.create(out) if process_rank() == 0 else Run(Path(out), new=True)


def assemble(
    source: Source,
    recipe: Recipe,
    device: torch.device,
    model: str | nn.Module | None = None,
    *,
    metrics: Metrics = (accuracy,),
    cbs: Callbacks = (),
    run: Run | None = None,
) -> ImageLearner:
    """Return the learner for the images of an opened source.

    Args:
        source: the images.
        recipe: the settings.
        device: the device to train on.
        model, metrics, cbs: see `image_learner`.
        run: the run directory, or None.
    """
    plan = recipe.plan_for(source)
    log_class_balance(source, plan.balance)
    dls = image_loaders(source, plan.loading, device=device)
    given = isinstance(model, nn.Module)
    net = model if isinstance(model, nn.Module) else initial_model(dls, plan)
    return learner_of(dls, net, recipe, plan, metrics=metrics, cbs=cbs, run=run, net_given=given)


def learner_of(
    dls: ImageLoaders,
    model: nn.Module,
    recipe: Recipe,
    plan: Plan,
    *,
    metrics: Metrics = (accuracy,),
    cbs: Callbacks = (),
    run: Run | None = None,
    net_given: bool = False,
) -> ImageLearner:
    """Return the learner for data loaders and a net.

    Args:
        dls: the data loaders.
        model: the net, with its weights.
        recipe: the settings that the user asked for.
        plan: the settings that the run uses.
        metrics, cbs: see `image_learner`.
        run: the run directory, or None.
        net_given: whether the user passed the net; `recipe.json` then names its class.
    """
    return ImageLearner(
        dls,
        model.to(dls.device).to(memory_format=torch.channels_last),
        recipe=recipe,
        plan=plan,
        run=run,
        net_given=net_given,
        cbs=cbs,
        loss_func=ClassLoss(plan.label_smoothing, class_weights(dls.source) if plan.balance else None),
        splitter=body_and_head,
        lr=plan.lr,
        metrics=[metric if isinstance(metric, Metric) else DeviceMean(metric) for metric in L(metrics)],
    )


def initial_model(dls: ImageLoaders, plan: Plan, build: Callable[[int], nn.Module] | None = None) -> nn.Module:
    """Return a net with initial weights, which depend on the plan's seed and, for a whitened stem, on the images.

    The random state of the session does not change.

    Args:
        dls: the data loaders.
        plan: the settings.
        build: makes the net from the number of classes; by default the net is the plan's architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(plan.seed)
        classes = len(dls.vocab)
        model = build(classes) if build else build_model(plan.model, classes)
        initialise(model, plan, dls)
    return model
