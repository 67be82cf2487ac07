"""The `Learner` of this project: fastai's, with a recipe that it can fit by itself."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fastai.callback.core import TrainEvalCallback
from fastcore.basics import noop
from fastcore.foundation import L
from fastcore.xtras import ContextManagers
from matplotlib.figure import Figure
from torch import nn

from callbacks.curves import plot_curves
from callbacks.generators import global_generators_kept, seed_generators
from callbacks.lr_find.finder import LRFound, find_lr
from callbacks.training.finite_loss import FiniteLoss
from callbacks.training.progress import RichProgress
from callbacks.training.recorder import DeviceRecorder
from data.block import ImageLoaders
from data.common.errors import TrainingError
from learners.agreement import check_agreement, check_images, is_empty
from learners.optimizer import param_groups
from learners.out_of_memory import naming_memory
from learners.recipe import Plan, Recipe
from learners.recipe_fit import fit_in_memory, fit_run
from learners.result import FitResult
from learners.run import Run
from learners.session import MadeWith, frozen_parameters, pipeline_of
from learners.step import StepLearner

# fastai's own recorder waits for the device each step, its progress bar writes into pipes
OWN_CALLBACKS = (TrainEvalCallback, DeviceRecorder, RichProgress)


class ImageLearner(StepLearner):
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
    """

    fitted: FitResult | None = None
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
        every = [*OWN_CALLBACKS, *L(cbs)]
        super().__init__(dls, model, path=run.learner if run else Path(), cbs=every, default_cbs=False, **kwargs)
        self.recipe, self.plan, self.run_dir = recipe, plan, run
        self.logger = noop  # the progress callback prints, on stderr
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
        """
        check_agreement(self)
        with global_generators_kept():
            seed_generators(self.dls.device.type, self.plan.seed)
            if self.run_dir is None:
                return fit_in_memory(self)
            with self.run_dir.claimed():
                return fit_run(self, self.run_dir, checkpoint_minutes)

    def plot_curves(self) -> Figure:
        """Losses, metrics and the applied rate of the last `fit_recipe`.

        Raises:
            TrainingError: there was none.
        """
        if self.fitted is None:
            raise TrainingError("there is nothing to plot yet: call fit_recipe first")
        return plot_curves(self.fitted.epochs, self.fitted.steps)

    def lr_find(self, start_lr: float = 1e-7, end_lr: float = 1.0, steps: int = 200) -> LRFound:
        """The finder of this project under fastai's name: the peak for a run of this recipe; see `find_lr`."""
        run_steps = self.plan.epochs * len(self.dls.train)
        factors = [group.factor for group in param_groups(self.model, self.plan)]
        return find_lr(self, start_lr, end_lr, steps, run_steps, factors)

    def fit(self, *args: Any, cbs: Any = None, **kwargs: Any) -> None:
        """fastai's `fit`, which `fit_one_cycle` and the others call; a loss that is not finite ends it."""
        check_images(self.dls)
        logger = self.logger
        try:
            with self._progress(), self._folder(), naming_memory(self.plan.batch_size):
                super().fit(*args, cbs=[FiniteLoss(), *L(cbs)], **kwargs)
        finally:
            self.first_epoch = 0
            self.logger = logger  # a CSVLogger that was interrupted has left its own

    def validation_context(self, *args: Any, **kwargs: Any) -> AbstractContextManager:
        """fastai's context of `validate` and `get_preds`, with the progress bar."""
        return ContextManagers([self._progress(), self._folder(), super().validation_context(*args, **kwargs)])

    def export(self, *args: Any, **kwargs: Any) -> None:
        """fastai's, into a folder that it does not make itself."""
        with self._folder():
            super().export(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """fastai's; what `load_learner` returns has no images, and no run directory of its own."""
        super().__setstate__(state)
        if is_empty(self.dls):
            self.exported, self.run_dir = True, None

    def show_results(self, *args: Any, **kwargs: Any) -> Any:
        """fastai's; the images that the model was shown beside its answers."""
        import fastai.vision.learner  # noqa: F401  registers how answers are shown; imports torchvision

        return super().show_results(*args, **kwargs)

    def _progress(self) -> AbstractContextManager:
        """The context in which the progress callback shows its bar; empty where the learner has no such callback."""
        return getattr(self, "rich_progress", nullcontext())

    def _folder(self) -> AbstractContextManager:
        """The context in which there is a folder to save into."""
        return self.run_dir.learner_folder() if self.run_dir else nullcontext()
