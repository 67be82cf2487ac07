"""The `Learner` of this project: fastai's, with a recipe that it can fit by itself."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from fastai.callback.core import Callback
from fastai.data.load import DataLoader
from fastai.learner import replacing_yield
from fastcore.imports import IN_NOTEBOOK
from torch import nn

from callbacks.checkpoint.callback import Checkpoint, Resume
from callbacks.checkpoint.interrupt import Interrupts
from callbacks.checkpoint.writer import BackgroundWriter
from callbacks.curves import plot_curves
from callbacks.lr_find.finder import LRFound, asked_for, find_lr
from callbacks.optional import optional_callbacks
from callbacks.picture import Picture
from callbacks.training.history import History, write_history
from callbacks.training.loader_epoch import LoaderEpoch
from callbacks.training.loader_wait import LoaderWait
from callbacks.training.precision import PrecisionRecord
from callbacks.training.schedule import OneCycle, PlannedRates, ScheduleRecord, write_schedule
from data.block import ImageLoaders
from data.common.errors import TrainingError
from data.common.files import replacing, write_json
from data.loader import BatchDL
from learners.fitting import FitLearner
from learners.heatmaps import choose_heatmaps
from learners.model_files import write_model
from learners.optimizer import RecipeOptimizer, param_groups
from learners.provenance import provenance
from learners.recipe import Plan, Recipe
from learners.result import FitResult
from learners.run import Run, note_precision
from learners.warmup import warm_up

Submit = Callable[..., Any]  # calls a function that writes a file, with its arguments


class ImageLearner(FitLearner):
    """A fastai `Learner` that can fit its recipe; made by `image_learner`.

    Args:
        recipe: what was asked for.
        plan: what `fit_recipe` will do.
        run: the run directory that `fit_recipe` fills; without it nothing is written.
        kwargs: arguments of fastai's `Learner`.

    Attributes:
        fitted: what the last `fit_recipe` measured, or None.
        lr_found: what the last `lr_find` found, or None.
    """

    fitted: FitResult | None = None
    lr_found: LRFound | None = None

    def __init__(
        self, dls: ImageLoaders, model: nn.Module, *, recipe: Recipe, plan: Plan, run: Run | None = None, **kwargs: Any
    ) -> None:
        self.recipe, self.plan, self.run_dir = recipe, plan, run
        path = run.path if run else Path()
        super().__init__(dls, model, opt_func=self.recipe_optimizer, path=path, **kwargs)

    def fit_recipe(self, checkpoint_minutes: float = 5) -> dict[str, Any]:
        """Train as the plan says, and return the metrics of the run (see `FitResult.metrics`).

        With a run directory, Ctrl-C and SIGTERM end the run after a step, with a checkpoint.

        Args:
            checkpoint_minutes: the longest training time that a killed run loses.

        Raises:
            TrainingError: the loss is not finite, the applied rate left its plan, memory ran out, the results cannot
                be written, or `lr` is auto and no rate was found.
            RunDirectoryError: the run directory is in use.
            CheckpointError: the checkpoint to resume from is damaged.
        """
        if self.run_dir is None:
            self._measure_rate()
            return self._fit_plan([])
        with self.run_dir.claimed():
            state = self._begin(self.run_dir)
            with BackgroundWriter() as writer, Interrupts() as interrupts:
                recipe, minutes = self.plan.to_dict(), checkpoint_minutes
                checkpoint = Checkpoint(self.run_dir.checkpoint, writer, interrupts, recipe, minutes)
                metrics = self._fit_plan([Resume(state), checkpoint], writer.submit)
            with self.run_dir.results():
                self._write_results(self.run_dir.path, metrics)
        return metrics

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
            show_plot: in a notebook, show the picture.
            suggest_funcs: which of fastai's suggestions the result gives when it is unpacked; all are its attributes.

        Raises:
            LRFindError: an argument that cannot be.
        """
        asked = asked_for(stop_div, suggest_funcs)
        run_steps = self.plan.epochs * len(self.dls.train)
        self.lr_found = replace(find_lr(self, start_lr, end_lr, num_it, run_steps), asked=asked)
        if show_plot and IN_NOTEBOOK:
            from IPython.display import display

            display(self.lr_found.plot())
        return self.lr_found

    def recipe_optimizer(self, params: Any, lr: Any) -> RecipeOptimizer:
        """The optimizer of the recipe, which is this learner's `opt_func` unless the user sets another."""
        return RecipeOptimizer(params, lr, model=self.model, recipe=self.plan)

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
        path = Path(self.path, fname).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfilled = replacing_yield(self, "opt", None)  # fastai fills a new one, which fails after freezing
        with replacing_yield(self, "dls", self.dls), unfilled, replacing(path) as draft:
            super().export(draft, *args, **kwargs)

    def _begin(self, run: Run) -> dict[str, Any] | None:
        """Write `recipe.json` of a new run, or load the checkpoint of an old one."""
        if not run.new:
            return run.read_checkpoint(self.plan)
        self._measure_rate()
        run.write_description(self.plan.to_dict() | provenance(self.dls))
        return None

    def _measure_rate(self) -> None:
        """Where `lr` is auto: measure the peak rate, and keep curve and choice in the run directory."""
        if self.recipe.lr != "auto":
            return
        found = self.lr_find()
        if self.run_dir:
            found.save(self.run_dir.path)
        if found.lr is None:
            raise TrainingError(f"the learning-rate finder suggests nothing: {found.abstained}; give a rate as `lr`")
        self.plan = replace(self.plan, lr=found.lr)

    def _fit_plan(self, cbs: list[Callback], submit: Submit | None = None) -> dict[str, Any]:
        """Fit, and return the metrics of the run.

        Args:
            submit: writes the CSV files and notes the precision while training goes on; without it none are written.
        """
        rates = self._one_cycle().table(len(self.dls.train) * self.plan.epochs)
        history = History(self._writes(submit, write_history, "history.csv"))
        schedule = ScheduleRecord([r[0] for r in rates], self._writes(submit, write_schedule, "schedule.csv"))
        precision = PrecisionRecord(self._writes(submit, note_precision, "recipe.json"))
        wait, warmup_seconds = LoaderWait(), warm_up(self)
        watching = [LoaderEpoch(), history, PlannedRates(rates), schedule, precision, wait]
        try:
            self.fit(self.plan.epochs, cbs=[*watching, *optional_callbacks(self.plan), *cbs], reset_opt=True)
        finally:
            self.graphed = None  # the memory that it replays in
        self.fitted = FitResult(history.rows, schedule.rows, precision.precision, wait.seconds, warmup_seconds)
        parameters = sum(p.numel() for p in self.model.parameters())
        return self.fitted.metrics(self.plan, self.dls.source, str(self.dls.device), parameters)

    def _writes(self, submit: Submit | None, write: Callable[..., None], name: str) -> Callable[[Any], None] | None:
        return partial(submit, write, self.run_dir.path / name) if submit and self.run_dir else None

    def _one_cycle(self) -> OneCycle:
        """The planned rates of each group of parameters."""
        plan, groups = self.plan, param_groups(self.model, self.plan, self.splitter(self.model))
        return OneCycle(
            [plan.lr * group.factor for group in groups],
            div=plan.div,
            div_final=plan.div_final,
            pct_start=plan.peak_epoch / plan.epochs,
            decay=plan.decay,
            starts=[group.start / plan.epochs for group in groups],
        )

    def _write_results(self, folder: Path, metrics: dict[str, Any]) -> None:
        """The CSV files again, because a background write may have failed; `metrics.json` last: the run is complete."""
        assert self.fitted is not None
        write_history(folder / "history.csv", self.fitted.epochs)
        write_schedule(folder / "schedule.csv", self.fitted.steps)
        heatmaps, dls = asdict(choose_heatmaps(self)), self.dls
        write_model(folder, self.model, self.plan.model, dls.vocab, self.plan.size, dls.stats, heatmaps=heatmaps)
        with replacing(folder / "curves.png") as draft:
            self.plot_curves().savefig(draft, dpi=150)
        write_json(folder / "metrics.json", metrics)
