"""The command line: a command turns flags into one call of the library and prints what comes back."""

import functools
import inspect
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from data.common.errors import AppError
from learners.recipe import Recipe

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Out = Annotated[Path | None, typer.Option(help="directory to make and fill")]
Resume = Annotated[Path | None, typer.Option(help="resume the run in this directory; no other flags are needed")]


Run = Annotated[Path, typer.Argument(help="directory of a finished run")]
FLAGS = {name: f"--{name.replace('_', '-')}" for name in (*(f.name for f in fields(Recipe)), "out")}
FLAGS |= {"lr_find": "`lr-find`", "num_it": "--steps", "start_lr": "--start-lr", "end_lr": "--end-lr"}


def recipe_flags(command: Callable) -> Callable:
    """Give `command` one flag for each field of `Recipe` in place of its `**settings`; it gets those that were set."""
    hints, keyword = get_type_hints(Recipe), inspect.Parameter.KEYWORD_ONLY
    flags = [
        inspect.Parameter(f.name, keyword, default=None, annotation=_flag(f, hints[f.name])) for f in fields(Recipe)
    ]
    own = [
        p.replace(kind=keyword) for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]

    @functools.wraps(command)
    def with_flags(**given: Any) -> Any:
        return command(**{name: value for name, value in given.items() if value is not None})

    with_flags.__signature__ = inspect.Signature(flags + own)  # type: ignore[attr-defined]  # typeshed lacks it
    with_flags.__annotations__ = {p.name: p.annotation for p in flags + own}
    return with_flags


def _flag(field: Field, hint: Any) -> Any:
    """The typer annotation of one field; a rate that may be `auto` travels as text, and `Recipe` reads it."""
    kind = str if str in get_args(hint) else hint
    shown = "" if field.default is None else f" [default: {field.default}]"
    return Annotated[kind | None, typer.Option(help=field.metadata["help"] + shown, show_default=False)]


@app.callback()
def commands() -> None:
    """Train an image classifier in 24 epochs, find its learning rate, and see why it is right or wrong."""


@app.command()
@recipe_flags
def fit(out: Out = None, resume: Resume = None, as_json: Json = False, **settings: Any) -> None:
    """Train, and leave a run directory: weights, curves, history, schedule and metrics."""
    if resume:
        from learners.resume import resume_fit

        if out:
            raise typer.BadParameter("--out cannot be combined with --resume")
        show(resume_fit(resume, **settings) | {"run": str(resume)}, as_json)
        return

    from learners import image_learner
    from learners.run import next_run

    out = out or next_run(settings.get("data", Recipe.data))
    show(image_learner(**settings, out=out).fit_recipe() | {"run": str(out)}, as_json)


@app.command()
@recipe_flags
def lr_find(
    start_lr: Annotated[float, typer.Option(help="lowest rate")] = 1e-7,
    end_lr: Annotated[float, typer.Option(help="highest rate")] = 1.0,
    steps: Annotated[int, typer.Option(help="training steps in all")] = 200,
    out: Out = None,
    as_json: Json = False,
    **settings: Any,
) -> None:
    """Measure the peak learning rate of a recipe; leave its curve as a picture, CSV and JSON."""
    from learners import image_learner
    from learners.run import check_free, next_run

    out = check_free(out or next_run(f"{settings.get('data', Recipe.data)}-lr-find"))
    found = image_learner(**settings).lr_find(start_lr, end_lr, steps)
    found.save(out)
    show(found.summary() | {"out": str(out)}, as_json)


@app.command()
def explain(
    run: Run,
    method: Annotated[str | None, typer.Option(help="as in gradcam, extremal, occlusion [default: the run's]")] = None,
    layer: Annotated[str | None, typer.Option(help="module to take maps from [default: the run's]")] = None,
    count: Annotated[int, typer.Option(help="images in each grid", min=1)] = 12,
    images: Annotated[int, typer.Option(help="validation images to look at, at the most", min=1)] = 300,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Show why the model of a run is right or wrong: heatmaps, and how far to trust them."""
    from rich.console import Console

    from callbacks.gradcam.explain import explain
    from learners.heatmaps import heatmaps_of
    from learners.saved import load_run

    learn = load_run(run)
    report = explain(learn, out or run / "explain", heatmaps_of(run, learn, method, layer), count, images=images)
    if as_json:
        show(report.to_dict(), as_json)
    else:
        Console(soft_wrap=False).print(report.table())


@app.command()
def evaluate(
    run: Run,
    data: Annotated[Path | None, typer.Option(help="folder to validate on instead of the run's own images")] = None,
    tta: Annotated[bool, typer.Option("--tta", help="also with the mean of six views of each image")] = False,
    as_json: Json = False,
) -> None:
    """Validate the model of a run: accuracy with its interval, each class, confusions and calibration."""
    from learners.answers.summary import print_evaluation
    from learners.evaluation import evaluate

    results = evaluate(run, data, tta)
    show(results, as_json) if as_json else print_evaluation(results)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="directory of a finished run, or of several to compare")],
    out: Annotated[Path | None, typer.Option(help="page to write [default: in the directory of the first run]")] = None,
    as_json: Json = False,
) -> None:
    """Write report.html of a run, or comparison.html of several: one page that holds all that it shows."""
    from learners.answers.comparison.page import compare_runs
    from learners.answers.page import report_run

    page = compare_runs(runs, out) if len(runs) > 1 else report_run(runs[0], out=out)
    show({"report": str(page)}, as_json)


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="a folder of images, a table of labels, or the name of a source")],
    out: Annotated[Path | None, typer.Option(help="directory to make; gets check.json and a contact sheet")] = None,
    as_json: Json = False,
) -> None:
    """Read every image of a data set once, and tell what is wrong with it; nothing of it is changed.

    Exits with 0 if nothing is wrong, 1 if something is, and 2 if there is no such data set.
    """
    from rich.console import Console

    from data.check.report import check_data

    if out:
        from learners.run import check_free

        check_free(out)
    report = check_data(data)
    if out:
        report.save(out)
    if as_json:
        show(report.to_dict(), as_json)
    else:
        Console(soft_wrap=True).print(report.table())
    if report.findings:
        raise typer.Exit(1)


def show(results: dict[str, Any], as_json: bool) -> None:
    """Print results to stdout: as one JSON object, or a line each."""
    if as_json:
        print(json.dumps(results, allow_nan=False))
        return
    lines = dict(_lines(results))
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}")


def _lines(results: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in results.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, ", ".join(map(str, value))
        elif value is not None:
            yield prefix + name, f"{value:.6g}" if isinstance(value, float) else str(value)


def main() -> int:
    """Run the command line; the exit code is that of the contract: 0 done, 1 failed, 2 wrong input, 130 Ctrl-C."""
    warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # fastai's import; nothing a user can do
    warnings.filterwarnings("ignore", module="PIL")  # damage that matters is told as an error, with its file
    log = logging.StreamHandler()  # to stderr
    log.setFormatter(FlagFormatter())
    logging.basicConfig(handlers=[log])
    try:
        return app(standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except AppError as error:
        print(f"error: {with_flags(str(error))}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own errors have it
            raise
        context = getattr(error, "ctx", None)
        see = f"; see `{context.command_path} --help`" if context else ""
        print(f"error: {error.format_message()}{see}", file=sys.stderr)
        return getattr(error, "exit_code", 2)


def with_flags(message: str) -> str:
    """A message of the library in the words of the command line: `` `batch_size` `` becomes --batch-size."""
    message = re.sub(r"resume_learner\('(.+?)'\)", r"python app.py fit --resume \1", message)
    message = re.sub(r"report_run\('(.+?)'\)", r"python app.py report \1", message)
    return re.sub(r"`(\w+)`", lambda match: FLAGS.get(match[1], match[0]), message)


class FlagFormatter(logging.Formatter):
    """Formats what the library logs in the words of the command line."""

    def format(self, record: logging.LogRecord) -> str:
        return with_flags(super().format(record))


if __name__ == "__main__":
    sys.exit(main())
