"""The parts of fastai's callback modules that are not callbacks: hooks, schedules, half precision, loaders."""

import numpy as np
import pytest
import torch
from fastai.callback import fp16, hook, schedule
from fastai.callback.core import GatherPredsCallback, TrainEvalCallback
from fastai.callback.data import PartialDL, WeightedDL
from fastai.callback.fp16 import ModelToHalf, NonNativeMixedPrecision
from fastai.callback.mixup import reduce_loss
from fastai.callback.preds import MCDropoutCallback
from fastai.callback.schedule import ParamScheduler, SuggestionMethod
from fastai.callback.tracker import TerminateOnNaNCallback
from fastai.callback.training import BnFreeze, ShortEpochCallback, bn_types, set_bn_eval
from fastai.layers import flatten_model
from torch import nn

from data.block import image_block
from data.common.errors import TrainingError
from learners.training.recipe_check import LearnerError
from tests.idioms.beside import alike, both, ours, pair, plain, weights
from tests.learners.small_runs import small_architecture


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


@pytest.fixture(scope="module")
def learners():
    """A learner of this project and a plain one. Tests that share them must not change their weights."""
    return ours(), plain()


# Hooks


@pytest.mark.parametrize("several", [False, True])
def test_hooks_see_every_layer_and_go_again(learners, several, table):
    def activations(learn):
        model, x = learn.model.eval(), learn.dls.valid.one_batch()[0]
        layers = flatten_model(model)
        with hook.hook_outputs(layers) if several else hook.hook_output(layers[0]) as hooks:
            model(x)
            stored = hooks.stored
        assert not any(layer._forward_hooks for layer in layers)
        return stored

    mine, theirs = both(learners, activations)
    assert alike(mine, theirs)
    assert len(mine) == (7 if several else 32)
    for name in ("Hooks", "hook_outputs") if several else ("Hook", "hook_output"):
        table.works(name, "plain fastai: the activations of the layers, to the last bit")


QUESTIONS = {
    "dummy_eval": lambda learn: learn.model and list(hook.dummy_eval(learn.model, (8, 8)).shape),
    "model_sizes": lambda learn: hook.model_sizes(learn.model, (8, 8)),
    "num_features_model": lambda learn: hook.num_features_model(nn.Sequential(*list(learn.model)[:3])),
    "has_params": lambda learn: [hook.has_params(layer) for layer in learn.model],
    "total_params": lambda learn: hook.total_params(learn.model),
    "layer_info": lambda learn: hook.layer_info(learn, learn.dls.one_batch()[0]),
    "module_summary": lambda learn: hook.module_summary(learn, learn.dls.one_batch()[0]),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_about_the_net_have_fastais_answers(learners, name, table):
    mine, theirs = both(learners, QUESTIONS[name])
    assert alike(mine, theirs)
    assert mine
    table.works(name, "plain fastai")


# Schedules

STEPS = 4
SHAPES = {
    "SchedLin": (schedule.SchedLin(0.1, 0.3), lambda p: 0.1 + 0.2 * p),
    "SchedCos": (schedule.SchedCos(0.1, 0.3), lambda p: 0.1 + 0.1 * (1 - np.cos(np.pi * p))),
    "SchedNo": (schedule.SchedNo(0.1, 0.3), lambda p: 0.1),
    "SchedExp": (schedule.SchedExp(0.1, 0.3), lambda p: 0.1 * 3**p),
    "SchedPoly": (schedule.SchedPoly(0.1, 0.3, 2), lambda p: 0.1 + 0.2 * p**2),
    "sched_lin": (lambda p: schedule.sched_lin(0.1, 0.3, p), lambda p: 0.1 + 0.2 * p),
    "sched_cos": (lambda p: schedule.sched_cos(0.1, 0.3, p), lambda p: 0.1 + 0.1 * (1 - np.cos(np.pi * p))),
    "sched_no": (lambda p: schedule.sched_no(0.1, 0.3, p), lambda p: 0.1),
    "sched_exp": (lambda p: schedule.sched_exp(0.1, 0.3, p), lambda p: 0.1 * 3**p),
    "annealer": (schedule.annealer(schedule.sched_lin)(0.1, 0.3), lambda p: 0.1 + 0.2 * p),
    "combine_scheds": (
        schedule.combine_scheds([0.5, 0.5], [schedule.SchedNo(0.1, 0.1), schedule.SchedNo(0.3, 0.3)]),
        lambda p: 0.1 if p < 0.5 else 0.3,
    ),
    "combined_cos": (
        schedule.combined_cos(0.5, 0.1, 0.3, 0.1),
        lambda p: 0.1 + 0.1 * (1 - np.cos(2 * np.pi * p)),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_schedule_is_followed_in_every_step(learners, name, table):
    learn = ours()
    curve, closed_form = SHAPES[name]
    learn.fit(1, cbs=ParamScheduler({"lr": curve}))
    expected = [closed_form(step / STEPS) for step in range(STEPS)]
    assert learn.recorder.lrs == pytest.approx(expected)
    assert list(learn.recorder.hps["lr"]) == pytest.approx(expected)
    table.works(name, "its closed form, as the rate of each step")


SUGGESTIONS = ("valley", "slide", "minimum", "steep")


def test_suggestions_are_those_of_fastais_functions_on_the_curve_that_was_found(table):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 10))
    learn = ours(limit=256, model=net)
    functions = [getattr(schedule, name) for name in SUGGESTIONS]
    found = learn.lr_find(suggest_funcs=functions)
    assert list(found) == list(learn.lr_find(suggest_funcs=_as_methods()))
    lrs, losses = torch.tensor(found.curve.lrs), torch.tensor(found.curve.losses)
    spacing = (lrs[1] / lrs[0]).log().item()
    for name, function, value in zip(SUGGESTIONS, functions, found, strict=True):
        suggested = function(lrs, losses, len(lrs))[0]
        assert abs(np.log(suggested / value)) < 1.5 * spacing  # fastai's slopes are between two rates
        table.works(name, "plain fastai's function on the smoothed curve of the search, within a step of it")
    table.works("SuggestionMethod", "the functions that it names")


def _as_methods():
    return [getattr(SuggestionMethod, name.capitalize()) for name in SUGGESTIONS]


# Predictions


@pytest.mark.parametrize("cbs", [[], [MCDropoutCallback]])
def test_predictions_are_gathered_also_with_dropout_left_on(learners, cbs, table):
    ask = lambda learn: learn.get_preds(with_input=True, with_loss=True, cbs=[cb() for cb in cbs])  # noqa: E731
    mine, theirs = both(learners, ask)
    assert alike(mine, theirs)
    again = both(learners, lambda learn: learn.get_preds(with_input=True, with_loss=True))[0]
    assert alike(mine, again) == (not cbs)
    assert not any(module.training for module in learners[0].model.modules())
    if cbs:
        table.works("MCDropoutCallback in get_preds", "plain fastai, to the last bit; dropout is off again afterwards")
    else:
        table.works("GatherPredsCallback", "plain fastai: what `get_preds` returns, to the last bit")


@pytest.mark.parametrize("reorder", [True, False])
def test_predictions_of_some_images_are_refused(learners, reorder, table):
    learn = learners[0]
    with learn.added_cbs(ShortEpochCallback(0.3)):
        with pytest.raises(TrainingError, match="ended get_preds before the last image") as refused:
            learn.get_preds(reorder=reorder)
        assert learn.predict(np.zeros((8, 8, 3), np.uint8))[0] in learn.dls.vocab
    assert len(learn.get_preds(reorder=reorder)[0]) == 64
    table.refused("ShortEpochCallback in get_preds", refused.value)


def test_gathering_in_a_fit_fails_as_in_plain_fastai(learners, table):
    for learn in (ours(), plain()):
        with pytest.raises(AttributeError, match="preds"):
            learn.fit(1, cbs=GatherPredsCallback())
    table.works("TrainEvalCallback", "plain fastai: it is among the callbacks of every learner")
    assert learners[0].cbs[0].__class__ is TrainEvalCallback


# Half precision


def test_fp16_copies_go_there_and_back(table):
    learn = ours()
    learn.create_opt()
    model_groups, masters = fp16.get_master(learn.opt)
    assert sum(map(len, masters)) == len(list(learn.model.parameters()))
    learn.loss_func(learn.model(learn.dls.one_batch()[0]), learn.dls.one_batch()[1]).backward()
    fp16.to_master_grads(model_groups, masters)
    for params, copies in zip(model_groups, masters, strict=True):
        for param, copy in zip(params, copies, strict=True):
            assert torch.equal(param.grad, copy.grad)
            with torch.no_grad():
                copy.add_(1)
    before = weights(learn)
    fp16.to_model_params(model_groups, masters)
    assert all(torch.equal(param, before[name] + 1) for name, param in learn.model.named_parameters())
    assert not fp16.grad_overflow(model_groups)
    model_groups[0][0].grad[0] = float("inf")
    assert fp16.grad_overflow(model_groups)
    assert fp16.test_overflow(model_groups[0][0].grad)
    kept = fp16.copy_clone({"half": torch.ones(1, dtype=torch.float16), "name": "a"})
    assert kept == {"half": torch.ones(1), "name": "a"}
    assert kept["half"].dtype is torch.float32
    for name in "get_master to_master_grads to_model_params grad_overflow test_overflow copy_clone".split():
        table.works(name, "plain PyTorch: the weights and gradients of the recipe's optimizer")


def test_modes_of_mixed_precision_have_fastais_names(table):
    assert [mode.value for mode in fp16.AMPMode] == ["fp16", "bf16"]
    assert ours().to_bf16().mixed_precision.amp_mode is fp16.AMPMode.BF16
    table.works("AMPMode", "plain fastai: the mode of the callback that `to_bf16` adds")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can do it")
@pytest.mark.parametrize("begin", [lambda learn: learn.fit(1), lambda learn: learn.fit_recipe()])
def test_half_precision_by_hand_needs_a_gpu(begin, tmp_path, table):
    learn = ours(out=tmp_path / "run")
    before = weights(learn)
    learn.add_cb(NonNativeMixedPrecision())
    with pytest.raises(TrainingError, match="Mixed-precision training requires a GPU") as refused:
        begin(learn)
    assert "\n" not in str(refused.value)
    assert alike(weights(learn), before)
    assert not (tmp_path / "run/recipe.json").exists()
    table.refused("NonNativeMixedPrecision", refused.value)


def test_the_recipes_optimizer_keeps_its_parameters(table):
    learn = ours()
    learn.create_opt()
    with pytest.raises(TrainingError, match=r"learn\.opt_func") as refused:
        learn.opt.param_lists = [[]]
    assert "\n" not in str(refused.value)
    table.refused("NonNativeMixedPrecision on a GPU, with the recipe's optimizer", refused.value)


def test_a_net_in_half_precision_alone_fails_as_in_plain_fastai(table):
    told = []
    for learn in (ours(), plain()):
        with pytest.raises(RuntimeError, match="Half") as refused:
            learn.fit(1, cbs=ModelToHalf())
        told.append(str(refused.value))
    assert told[0] == told[1]
    table.refused("ModelToHalf", refused.value, "plain fastai: the same; it only works with NonNativeMixedPrecision")


# Norms


def test_frozen_norms_keep_their_statistics(table, tmp_path):
    def train(learn):
        learn.freeze_to(1)
        for p in learn.model.parameters():  # fastai trains frozen norms unless told otherwise
            p.requires_grad_(p in set(learn.model[-1].parameters()))
        learn.fit(1, 0.1)
        return weights(learn)

    mine, theirs = both(pair(lambda: [BnFreeze()], tmp_path), train)
    assert alike(mine, theirs)
    assert alike(mine["1.running_mean"], torch.zeros(8))
    assert not alike(mine["6.weight"], weights(ours())["6.weight"])
    net = ours().model
    net[1].requires_grad_(False)
    set_bn_eval(net.train())
    assert [layer.training for layer in net if isinstance(layer, bn_types)] == [False]
    for name in ("BnFreeze on a frozen body", "set_bn_eval", "bn_types"):
        table.works(name, "plain fastai: the statistics of the norms stay")


# Refused, or fastai's own way of ending


class Ruin(TerminateOnNaNCallback):
    """A callback that sets a weight to NaN before step 2 (counted from 0)."""

    def before_batch(self):
        if self.training and self.train_iter == 2:
            with torch.no_grad():
                self.model[-1].bias.fill_(float("nan"))


def test_a_loss_that_is_no_number_ends_the_fit_with_an_error(table):
    with pytest.raises(TrainingError, match="the training loss is nan in epoch 0 at step 2") as refused:
        ours().fit(1, cbs=[Ruin(), TerminateOnNaNCallback()])
    table.refused("TerminateOnNaNCallback where the loss is NaN", refused.value)


def test_losses_of_mixed_images_are_reduced(table):
    learn = ours()
    x, y = learn.dls.one_batch()
    with learn.loss_not_reduced():
        losses = learn.loss_func(learn.model.eval()(x), y)
    assert losses.shape == (16,)
    for name, expected in {"mean": losses.mean(), "sum": losses.sum(), "none": losses}.items():
        assert torch.equal(reduce_loss(losses, name), expected)
    table.works("reduce_loss", "plain PyTorch")


def test_captum_is_not_there(table):
    with pytest.raises(ModuleNotFoundError, match="captum") as refused:
        from fastai.callback.captum import CaptumInterpretation  # noqa: F401
    table.refused("CaptumInterpretation", refused.value, "the module of fastai, which needs the package captum")


# Loaders


@pytest.mark.parametrize("kind", [WeightedDL, PartialDL])
def test_loaders_of_parts_train_as_in_plain_fastai_and_are_no_recipes(kind, tmp_path, table):
    def loaders(learn):
        made = learn.dls
        block = image_block(made.source, made.settings, made.stats)
        if kind is PartialDL:
            transforms = {"after_item": block.item_tfms, "after_batch": block.batch_tfms}
            return block.datasets(made.source).partial_dataloaders(32, bs=16, device=made.device, **transforms)
        chances = [float(i < 32) for i in range(128)]
        return block.weighted_dataloaders(made.source, chances, bs=16, device=made.device)

    learners = pair(list, tmp_path)
    for learn in learners:
        learn.dls = loaders(learn)
    assert len(learners[0].dls.train) == (2 if kind is PartialDL else 4)
    seen = both(learners, lambda learn: learn.fit(2, 0.1) or weights(learn))
    assert alike(*seen)
    with pytest.raises(LearnerError, match="not made from the recipe") as refused:
        learners[0].fit_recipe()
    table.works(kind.__name__, "plain fastai: the weights after `fit`, to the last bit")
    table.refused(f"{kind.__name__} in fit_recipe", refused.value)
