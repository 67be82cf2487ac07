"""The `Learner` of this project: fastai's, with a recipe that it can fit by itself."""

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
from data.loader import BatchDL
from learners.fit_result import FitResult
from learners.fitting import Callbacks, FitLearner
from learners.multi_process import fit_without_files, naming_the_others
from learners.optimizer import RecipeOptimizer
from learners.recipe import Plan, Recipe
from learners.recipe_check import check_matches_recipe, is_empty
from learners.recipe_fit import fit_in_memory, fit_run
from learners.run import Run
from learners.session import MadeWith, frozen_parameters, pipeline_of
from learners.shown import learner_text

# fastai's own recorder waits for the device each step, its progress bar writes into pipes
OWN_CALLBACKS = (TrainEvalCallback, DeviceRecorder, RichProgress)


class ImageLearner(FitLearner):
    """A fastai `Learner` that can fit its recipe; made by `image_learner`.

    Args:
        recipe: what was asked for.
        plan: what `fit_recipe` will do.
        run: the run directory that `fit_recipe` fills; without it nothing is written.
        net_given: see `MadeWith`.
        cbs: further callbacks.
        kwargs: arguments of fastai's `Learner`.

    Attributes:
        fitted: what the last `fit_recipe` measured, or None.
        made_with: what the recipe gave it.
        exported: it is what `load_learner` returned.
        path: where fastai's own verbs save: the folder `learner` of the run directory.
        lr_found: what the last `lr_find` found, or None.
        processes: those that train the same run, this one among them; None where there is one alone.
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

        With a run directory, Ctrl-C and SIGTERM end the run after a step, with a checkpoint.

        Args:
            checkpoint_minutes: the longest training time that a killed run loses.

        Raises:
            TrainingError: the loss is not finite, the applied rate left its plan, memory ran out, the results cannot
                be written, or `lr` is auto and no rate was found.
            RunDirectoryError: the run directory is in use.
            CheckpointError: the checkpoint to resume from is damaged, or does not fit this learner.
            LearnerError: the learner would not train as its recipe says.
            SessionError: the learner lacks what the run to resume was trained with.
            TrainingError: of several processes another one ended.
        """
        check_matches_recipe(self)
        with global_generators_kept():
            seed_generators(self.dls.device.type, self.plan.seed)
            if self.run_dir is None:
                return fit_in_memory(self)
            with naming_the_others(self, self.run_dir):
                if self.processes and not self.processes.is_first:
                    return fit_without_files(self, self.run_dir)
                with self.run_dir.claimed():
                    return fit_run(self, self.run_dir, checkpoint_minutes)

    def plot_curves(self) -> Picture:
        """Losses, metrics and the applied rate of the last `fit_recipe`.

        Raises:
            TrainingError: there was none.
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
        """The finder of this project with fastai's arguments: the peak for a run of this recipe; see `find_lr`.

        Args:
            start_lr, end_lr, num_it: see `find_lr`.
            stop_div: stop where the loss diverges; nothing else is possible.
            show_plot: a notebook shows the result with its picture.
            suggest_funcs: which of fastai's suggestions the result gives when it is unpacked; all are its attributes.

        Raises:
            LRFindError: an argument that cannot be.
        """
        asked = requested_rules(stop_div, suggest_funcs)
        run_steps = self.plan.epochs * len(self.dls.train)
        found = find_lr(self, start_lr, end_lr, num_it, run_steps)
        self.lr_found = replace(found, asked=asked, pictured=show_plot)
        return self.lr_found

    def recipe_optimizer(self, params: Any, lr: Any) -> RecipeOptimizer:
        """The optimizer of the recipe, which is this learner's `opt_func` unless the user sets another."""
        return RecipeOptimizer(params, lr, model=self.model, recipe=self.plan)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """fastai's; what `load_learner` returns has no images, and no run directory of its own."""
        super().__setstate__(state)
        if is_empty(self.dls):
            self.exported, self.run_dir = True, None

    def validate(self, ds_idx: int = 1, dl: DataLoader | None = None, cbs: Any = None) -> Any:
        """fastai's; training images (`ds_idx=0`) are measured as they are, all of them, in fixed order."""
        if dl is None and ds_idx == 0:
            dl = self.dls[0].new(shuffle=False, drop_last=False)
        return super().validate(ds_idx, dl, cbs)

    def tta(self, ds_idx: int = 1, dl: DataLoader | None = None, *args: Any, **kwargs: Any) -> Any:
        """fastai's; the images of any loader are augmented, also of one in fixed order."""
        if isinstance(dl, BatchDL):
            dl = dl.new(augmented=True, drop_last=False)
        return super().tta(ds_idx, dl, *args, **kwargs)

    def export(self, fname: str | Path = "export.pkl", *args: Any, **kwargs: Any) -> None:
        """fastai's; the file is whole or absent, and the learner keeps its data and its optimizer however this ends."""
        dls, opt, path = self.dls, self.opt, Path(self.path, fname).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.opt = None  # fastai would fill a new one with its state, which fails after freezing
            with replacing(path) as draft:
                super().export(draft, *args, **kwargs)
        finally:
            self.dls, self.opt = dls, opt

    @contextmanager
    def _with_callbacks(self, cbs: Callbacks) -> Iterator[None]:
        with self._folder(), super()._with_callbacks(cbs):
            yield

    def _folder(self) -> AbstractContextManager:
        """The context in which there is a folder to save into."""
        writes = self.processes is None or self.processes.is_first
        return self.run_dir.learner_folder() if self.run_dir and writes else nullcontext()
