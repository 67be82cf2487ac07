"""The `Learner` of this project: fastai's, with a recipe that it can fit by itself."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from fastai.callback.core import Callback, CancelEpochException
from fastcore.basics import noop
from fastcore.foundation import L
from matplotlib.figure import Figure

from callbacks.checkpoint.callback import Checkpoint, Resume
from callbacks.checkpoint.interrupt import Interrupts
from callbacks.checkpoint.writer import BackgroundWriter
from callbacks.curves import plot_curves
from callbacks.lr_find.finder import LRFound, find_lr
from callbacks.training.finite_loss import FiniteLoss
from callbacks.training.history import History
from callbacks.training.loader_epoch import LoaderEpoch
from callbacks.training.loader_wait import LoaderWait
from callbacks.training.schedule import OneCycle, PlannedRates, ScheduleRecord
from callbacks.training.sharpness import SharpnessAware
from callbacks.training.weight_average import WeightAverage
from data.common.errors import TrainingError
from data.common.files import write_csv
from learners.device import autocast
from learners.memory import naming_memory
from learners.optimizer import param_groups
from learners.recipe import Recipe
from learners.run import CHECKPOINT, claimed, load_checkpoint, write_recipe, write_results
from learners.step import StepLearner
from learners.warmup import warm_up


class ImageLearner(StepLearner):
    """A fastai `Learner` that knows its recipe; made by `image_learner`.

    Args:
        recipe: resolved, as `dls.recipe`.
        out: the run directory that `fit_recipe` fills; without it nothing is written.
        new: whether `out` is to be made; otherwise its run goes on.

    Attributes:
        first_epoch: where the next fit begins, and that one only.
    """

    first_epoch = 0

    def __init__(self, dls, model, *, recipe: Recipe, out: Path | None = None, new: bool = True, **kwargs):
        super().__init__(dls, model, path=out or Path(), **kwargs)
        self.recipe, self.out, self.new, self.fitted = recipe, out, new, None
        self.logger = noop  # the progress callback speaks, on stderr

    def fit_recipe(self, checkpoint_minutes: float = 5) -> dict:
        """Train as the recipe says, and return the run's metrics (see `learners.run.metrics`).

        With a run directory, Ctrl-C and SIGTERM end the run after a step, with a checkpoint.

        Args:
            checkpoint_minutes: the longest training time that a killed run loses.

        Raises:
            TrainingError: the loss is not finite, the applied rate left its plan, memory ran out, the results cannot
                be written, or `lr` is auto and no rate was found.
            RunDirectoryError: `out` is in use.
            CheckpointError: the checkpoint to go on from is damaged.
        """
        if not self.out:
            self._choose_rate()
            return write_results(self, *self._fit_cycle())
        with claimed(self.out, self.new):
            state = self._begin()
            try:
                with BackgroundWriter() as writer, Interrupts() as interrupts:
                    checkpoint = Checkpoint(self.out / CHECKPOINT, writer, interrupts, checkpoint_minutes)
                    rows = self._fit_cycle(checkpoint, Resume(state), write=partial(writer.submit, write_csv))
            finally:
                self.new = not (self.out / CHECKPOINT).exists()  # another call in this session goes on
            return write_results(self, *rows)

    def plot_curves(self) -> Figure:
        """Losses, accuracies and the applied rate of the last `fit_recipe`.

        Raises:
            TrainingError: there was none.
        """
        if self.fitted is None:
            raise TrainingError("nothing to draw yet: call fit_recipe first")
        return plot_curves(*self.fitted)

    def _begin(self) -> dict | None:
        """Say what the run is made of, or find where it is to go on."""
        if not self.new:
            return load_checkpoint(self, self.out)
        self._choose_rate()
        write_recipe(self, self.out)
        return None

    def _choose_rate(self) -> None:
        """`lr="auto"`: measure the peak rate, and keep curve and choice in the run directory."""
        if self.recipe.lr != "auto":
            return
        found = self.lr_find()
        if self.out:
            found.save(self.out)
        if found.lr is None:
            raise TrainingError(f"the learning-rate finder suggests nothing: {found.abstained}; give a rate with --lr")
        self.recipe = replace(self.recipe, lr=found.lr)

    def show_results(self, *args, **kwargs):
        """fastai's; the images that the model was shown beside its answers."""
        import fastai.vision.learner  # noqa: F401  registers how answers are shown; imports torchvision

        return super().show_results(*args, **kwargs)

    def lr_find(self, start_lr: float = 1e-7, end_lr: float = 1.0, steps: int = 200) -> LRFound:
        """The finder of this project under fastai's name: the peak for a run of this recipe; see `find_lr`."""
        run_steps = self.recipe.epochs * len(self.dls.train)
        factors = [group.factor for group in param_groups(self.model, self.recipe)]
        return find_lr(self, start_lr, end_lr, steps, run_steps, factors)

    def _fit_cycle(self, *cbs, write=write_csv) -> tuple[list[dict], list[dict], dict]:
        """Rows of the history and of the schedule, and the seconds that were not training."""
        recipe, out = self.recipe, self.out
        plan = self._one_cycle().table(len(self.dls.train) * recipe.epochs)
        history = History(out and out / "history.csv", write)
        schedule = ScheduleRecord([rates[0] for rates in plan], out and out / "schedule.csv", write)
        wait, warmup_seconds = LoaderWait(), warm_up(self)
        watching = [LoaderEpoch(), history, PlannedRates(plan), schedule, wait]
        try:
            self.fit_one_cycle(recipe.epochs, cbs=[*watching, *self._recipe_cbs(), *cbs], reset_opt=True)
        finally:
            self.graphed = None  # the memory that it replays in
        costs = {"loader_wait_seconds": wait.seconds, "warmup_seconds": warmup_seconds}
        self.fitted = history.rows, schedule.rows
        return *self.fitted, costs

    def _one_cycle(self) -> OneCycle:
        """The rates that the recipe plans, for each group of parameters."""
        recipe, groups = self.recipe, param_groups(self.model, self.recipe)
        return OneCycle(
            [recipe.lr * group.factor for group in groups],
            div=recipe.div,
            div_final=recipe.div_final,
            pct_start=recipe.peak_epoch / recipe.epochs,
            decay=recipe.decay,
            starts=[group.start / recipe.epochs for group in groups],
        )

    def _recipe_cbs(self) -> list[Callback]:
        """The callbacks that settings of the recipe turn on."""
        average = [WeightAverage()] if self.recipe.ema else []
        sharpness = [SharpnessAware(self.recipe.sam, partial(autocast, self.dls.device))] if self.recipe.sam else []
        return average + sharpness

    def fit(self, *args, cbs=None, **kwargs):
        """fastai's `fit`, which every other way to fit ends in; a loss that is no number ends it."""
        with self.rich_progress, naming_memory(self.recipe.batch_size):
            super().fit(*args, cbs=[FiniteLoss(), *L(cbs)], **kwargs)

    def _do_fit(self):
        """fastai's, from `first_epoch` on: its `start_epoch` fires the events of the epochs that it skips."""
        first, self.first_epoch = self.first_epoch, 0
        for epoch in range(first, self.n_epoch):
            self.epoch = epoch
            self._with_events(self._do_epoch, "epoch", CancelEpochException)

    def all_batches(self):
        """fastai's, with the batches counted from the loader's own first."""
        self.n_iter = len(self.dl)
        for i, batch in enumerate(self.dl, getattr(self.dl, "start", 0)):
            self.one_batch(i, batch)

    def _do_epoch_validate(self, *args, **kwargs):
        with self.rich_progress:
            super()._do_epoch_validate(*args, **kwargs)
