"""The `Learner` of this project: fastai's `Learner` with a recipe and a method that trains by it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastai.callback.core import TrainEvalCallback
from fastai.data.load import DataLoader
from fastai.optimizer import OptimWrapper
from fastcore.foundation import L
from torch import nn

from callbacks.curves import plot_curves
from callbacks.lr_find.finder import LRFound, find_lr, requested_rules
from callbacks.parallel.processes import Processes
from callbacks.picture import Picture
from callbacks.random_generators import global_generators_kept, seed_generators
from callbacks.training.progress import RichProgress
from callbacks.training.recorder import DeviceRecorder
from data.block import ImageLoaders
from data.common.errors import TrainingError
from data.common.files import replacing
from data.loading.loader import BatchDL
from learners.recipe import Plan, Recipe
from learners.run_directory.run import Run
from learners.shown import learner_text
from learners.training.fit_result import FitResult
from learners.training.fitting import Callbacks, FitLearner
from learners.training.multi_process import fit_without_files, naming_ended_process
from learners.training.optimizer import RecipeOptimizer
from learners.training.recipe_check import check_matches_recipe, is_empty
from learners.training.recipe_fit import fit_in_memory, fit_run
from learners.training.session import MadeWith, frozen_parameters, pipeline_of

# Callbacks of every learner. fastai's recorder waits for the device in each step, and its progress bar writes to pipes.
OWN_CALLBACKS = (TrainEvalCallback, DeviceRecorder, RichProgress)


class ImageLearner(FitLearner):
    """A fastai `Learner` that can train by a recipe; `image_learner` makes it.

    Args:
        dls: the data loaders.
        model: the net.
        recipe: the settings that the user asked for.
        plan: the settings that `fit_recipe` uses.
        run: the run directory that `fit_recipe` fills; without it nothing is written.
        net_given: see `MadeWith`.
        cbs: further callbacks.
        kwargs: arguments of fastai's `Learner`.

    Attributes:
        fitted: the result of the last `fit_recipe`, or None.
        made_with: the parts that come from the recipe; the session may replace or add others.
        exported: whether `load_learner` returned this learner.
        path: the folder in which fastai's methods save: `learner` in the run directory.
        lr_found: the result of the last `lr_find`, or None.
        processes: all processes that train this run; None if there is only one.
    """

    dls: ImageLoaders
    opt: OptimWrapper | None
    fitted: FitResult | None = None
    lr_found: LRFound | None = None
    processes: Processes | None = None
    exported = False

    def __init__(
        self,
        dls: ImageLoaders,
        model: nn.Module,
        *,
        recipe: Recipe,
        plan: Plan,
        run: Run | None = None,
        net_given: bool = False,
        cbs: Any = None,
        **kwargs: Any,
    ) -> None:
        self.recipe, self.plan, self.run_dir = recipe, plan, run
        path, every = run.learner if run else Path(), [*OWN_CALLBACKS, *L(cbs)]
        kwargs |= {"cbs": every, "default_cbs": False}
        super().__init__(dls, model, opt_func=self.recipe_optimizer, path=path, **kwargs)
        self.made_with = MadeWith(
            loss_func=self.loss_func,
            opt_func=self.opt_func,
            splitter=self.splitter,
            cbs=tuple(self.cbs[: len(OWN_CALLBACKS)]),
            frozen=frozen_parameters(model),
            pipeline=pipeline_of(dls),
            net_given=net_given,
            fingerprint=dls.source.fingerprint,
        )

    def __repr__(self) -> str:
        return learner_text(self)

    def fit_recipe(self, checkpoint_minutes: float = 5) -> dict[str, Any]:
        """Train as the plan says, and return the metrics of the run (see `FitResult.metrics`).

        If there is a run directory, Ctrl-C and SIGTERM end the run after the current step and write a checkpoint.

        Args:
            checkpoint_minutes: time between two checkpoints, and so the longest training time that a killed run loses.

        Raises:
            TrainingError: the loss is not finite, the applied learning rate differs from its plan, memory ran out, the
                results cannot be written, `lr` is auto and the finder suggests none, or another process of the run
                ended.
            RunDirectoryError: another process uses the run directory.
            CheckpointError: the checkpoint to resume from is damaged, or does not fit this learner.
            LearnerError: the learner would not train as its recipe says.
            SessionError: the run to resume was trained with callbacks, metrics or others that this learner lacks.
        """
        check_matches_recipe(self)
        with global_generators_kept():
            seed_generators(self.dls.device.type, self.plan.seed)
            if self.run_dir is None:
                return fit_in_memory(self)
            with naming_ended_process(self, self.run_dir):
                if self.processes and not self.processes.is_first:
                    return fit_without_files(self, self.run_dir)
                with self.run_dir.claimed():
                    return fit_run(self, self.run_dir, checkpoint_minutes)

    def plot_curves(self) -> Picture:
        """Return a figure of losses, metrics and the applied learning rate of the last `fit_recipe`.

        Raises:
            TrainingError: `fit_recipe` was not called yet.
        """
        if self.fitted is None:
            raise TrainingError("there is nothing to plot yet: call fit_recipe first")
        return plot_curves(self.fitted.epochs, self.fitted.steps)

    def lr_find(
        self,
        start_lr: float = 1e-7,
        end_lr: float = 1.0,
        num_it: int = 200,
        stop_div: bool = True,
        show_plot: bool = True,
        suggest_funcs: Callable | Sequence[Callable] | None = None,
    ) -> LRFound:
        """Find the peak learning rate for a run of this recipe; see `find_lr`. The arguments are fastai's.

        Args:
            start_lr, end_lr, num_it: see `find_lr`.
            stop_div: stop when the loss diverges; must be True.
            show_plot: a notebook shows the result with its figure.
            suggest_funcs: fastai's suggestions that the result yields when it is unpacked; all are its attributes.

        Raises:
            LRFindError: an argument is invalid.
        """
        asked = requested_rules(stop_div, suggest_funcs)
        run_steps = self.plan.epochs * len(self.dls.train)
        found = find_lr(self, start_lr, end_lr, num_it, run_steps)
        self.lr_found = replace(found, asked=asked, pictured=show_plot)
        return self.lr_found

    def recipe_optimizer(self, params: Any, lr: Any) -> RecipeOptimizer:
        """Return the optimizer of the recipe; this is the learner's `opt_func` unless the user sets another."""
        return RecipeOptimizer(params, lr, model=self.model, recipe=self.plan)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled learner; one that `load_learner` returns has neither images nor a run directory."""
        super().__setstate__(state)
        if is_empty(self.dls):
            self.exported, self.run_dir = True, None

    def validate(self, ds_idx: int = 1, dl: DataLoader | None = None, cbs: Any = None) -> Any:
        """Validate as fastai does; training images (`ds_idx=0`) are all used, in fixed order and not augmented."""
        if dl is None and ds_idx == 0:
            dl = self.dls[0].new(shuffle=False, drop_last=False)
        return super().validate(ds_idx, dl, cbs)

    def tta(self, ds_idx: int = 1, dl: DataLoader | None = None, *args: Any, **kwargs: Any) -> Any:
        """Average predictions over augmented images as fastai does; the images of any loader are augmented."""
        if isinstance(dl, BatchDL):
            dl = dl.new(augmented=True, drop_last=False)
        return super().tta(ds_idx, dl, *args, **kwargs)

    def export(self, fname: str | Path = "export.pkl", *args: Any, **kwargs: Any) -> None:
        """Write the learner as fastai does, atomically; an error leaves its data and optimizer in place."""
        dls, opt, path = self.dls, self.opt, Path(self.path, fname).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.opt = None  # fastai would load its state into a new optimizer, which fails after `freeze`
            with replacing(path) as draft:
                super().export(draft, *args, **kwargs)
        finally:
            self.dls, self.opt = dls, opt

    @contextmanager
    def _with_callbacks(self, cbs: Callbacks) -> Iterator[None]:
        with self._learner_folder(), super()._with_callbacks(cbs):
            yield

    def _learner_folder(self) -> AbstractContextManager:
        """Return the context in which the folder `learner` of the run directory exists."""
        is_writer = self.processes is None or self.processes.is_first
        return self.run_dir.learner_folder() if self.run_dir and is_writer else nullcontext()
