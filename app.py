"""The command line: each command turns its flags into one call of the library and prints the result."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from data.common.errors import AppError
from data.common.launch import process_count, process_rank
from learners.command_line import FlagFormatter, recipe_flags, show, with_flags
from learners.recipe import Recipe

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Out = Annotated[Path | None, typer.Option(help="new directory for the results")]
Resume = Annotated[Path | None, typer.Option(help="resume the run in this directory; no other flags are needed")]
Run = Annotated[Path, typer.Argument(help="directory of a finished run")]


@app.callback()
def commands(context: typer.Context) -> None:
    """Train an image classifier in 24 epochs, find its learning rate, and see why it is right or wrong."""
    if process_count() > 1 and context.invoked_subcommand != "fit":
        raise typer.BadParameter(f"{context.invoked_subcommand} runs in one process: start it with python alone")


@app.command()
@recipe_flags
def fit(out: Out = None, resume: Resume = None, as_json: Json = False, **settings: Any) -> None:
    """Train, and write the results into a run directory."""
    if resume:
        from learners.resume import resume_fit

        if out:
            raise typer.BadParameter("--out cannot be combined with --resume")
        show(resume_fit(resume, **settings) | {"run": str(resume)}, as_json)
        return

    from learners import image_learner
    from learners.run_directory.run import next_run

    out = out or next_run(settings.get("data", Recipe.data))
    show(image_learner(**settings, out=out).fit_recipe() | {"run": str(out)}, as_json)


@app.command()
@recipe_flags
def lr_find(
    start_lr: Annotated[float, typer.Option(help="lowest learning rate")] = 1e-7,
    end_lr: Annotated[float, typer.Option(help="highest learning rate")] = 1.0,
    steps: Annotated[int, typer.Option(help="total number of training steps")] = 200,
    out: Out = None,
    as_json: Json = False,
    **settings: Any,
) -> None:
    """Find the peak learning rate of a recipe. The curve is written as a picture, CSV and JSON."""
    from learners import image_learner
    from learners.run_directory.run import check_free, next_run

    out = check_free(out or next_run(f"{settings.get('data', Recipe.data)}-lr-find"))
    found = image_learner(**settings).lr_find(start_lr, end_lr, steps)
    found.save(out)
    show(found.summary() | {"out": str(out)}, as_json)


@app.command()
def explain(
    run: Run,
    method: Annotated[
        str | None, typer.Option(help="heatmap method, such as gradcam, extremal or occlusion [default: the run's]")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="module whose feature maps the heatmaps use [default: the run's]")
    ] = None,
    count: Annotated[int, typer.Option(help="images in each figure", min=1)] = 12,
    images: Annotated[int, typer.Option(help="maximum number of validation images to evaluate", min=1)] = 300,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Show with heatmaps why a model is right or wrong. Each heatmap is tested for how far to trust it."""
    from rich.console import Console

    from callbacks.gradcam.explain import explain
    from learners.finished_learner import load_run
    from learners.heatmaps import run_heatmaps

    learn = load_run(run)
    report = explain(learn, out or run / "explain", run_heatmaps(run, learn, method, layer), count, images=images)
    if as_json:
        show(report.to_dict(), as_json)
    else:
        Console(soft_wrap=False).print(report.table())


@app.command()
def evaluate(
    run: Run,
    data: Annotated[Path | None, typer.Option(help="folder to validate on instead of the run's own images")] = None,
    tta: Annotated[bool, typer.Option("--tta", help="also use the mean of six views of each image")] = False,
    as_json: Json = False,
) -> None:
    """Validate the model of a run. The results are accuracy, metrics per class, confusions and calibration."""
    from learners.answers.evaluation import evaluate
    from learners.answers.summary import print_evaluation

    results = evaluate(run, data, tta)
    show(results, as_json) if as_json else print_evaluation(results)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="directory of a finished run, or of several to compare")],
    out: Annotated[Path | None, typer.Option(help="file to write [default: in the directory of the first run]")] = None,
    as_json: Json = False,
) -> None:
    """Write the report of a run, or a comparison of several runs. Either is one self-contained HTML page."""
    from learners.answers.comparison.page import compare_runs
    from learners.answers.page import report_run

    page = compare_runs(runs, out) if len(runs) > 1 else report_run(runs[0], out=out)
    show({"report": str(page)}, as_json)


@app.command()
def predict(
    run: Run,
    images: Annotated[list[str], typer.Argument(help="files, folders or quoted patterns; - for a list on stdin")],
    min_confidence: Annotated[float, typer.Option(help="answer `unsure` below this probability")] = 0.0,
    csv: Annotated[Path | None, typer.Option(help="table to write, with one row per image")] = None,
    cam: Annotated[Path | None, typer.Option(help="folder for one heatmap figure per image")] = None,
    as_json: Json = False,
) -> None:
    """Predict the class of each image. The three most probable classes are printed with their probabilities.

    Files that cannot be read are skipped; the exit code is then 1.
    """
    from learners.prediction.predictions import predict

    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]  # a file name may not be valid text
    found = predict(run, images, None if as_json else print, min_confidence=min_confidence, csv=csv, cam=cam)
    if as_json:
        show({"run": str(run)} | found.to_dict(), as_json)
    if found.unreadable:
        raise typer.Exit(1)


@app.command()
def serve(
    run: Run,
    port: Annotated[int, typer.Option(help="port to listen on; 0 for any free one", min=0, max=65535)] = 8000,
) -> None:
    """Serve a page that predicts the class of an image. Only this machine can open it; Ctrl-C ends it."""
    from learners.serving import serve

    serve(run, port)


@app.command()
def export(
    run: Run,
    format: Annotated[str, typer.Option(help="file format: onnx, torch-export or safetensors")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="file to write [default: export/model.… in the run]")] = None,
    as_json: Json = False,
) -> None:
    """Export the model of a run for other programs. The file is compared with the model before it is kept."""
    from learners.export.exporting import export

    exported = export(run, format, out)
    show(exported.to_dict() if as_json else exported.summary(), as_json)


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="folder of images, table of labels, or name of a data set")],
    out: Annotated[Path | None, typer.Option(help="new directory for check.json and a contact sheet")] = None,
    as_json: Json = False,
) -> None:
    """Report the problems of a data set. Every image is read once, and no file is changed.

    The exit code is 0 without problems, 1 with problems, and 2 if the data set does not exist.
    """
    from rich.console import Console

    from data.check.report import check_data

    if out:
        from learners.run_directory.run import check_free

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


def main() -> int:
    """Run the command line, and return the exit code: 0 done, 1 failed, 2 wrong input, 130 Ctrl-C."""
    warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # from fastai's import; a user cannot avoid it
    warnings.filterwarnings("ignore", module="PIL")  # a damaged image is reported as an error with its path
    log = logging.StreamHandler()  # to stderr
    log.setFormatter(FlagFormatter())
    logging.basicConfig(handlers=[log])
    if process_rank() > 0:
        log.setLevel(logging.ERROR)  # of several processes only the first logs warnings
    try:
        return app(standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in `predict … | head`; without the next line Python would fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
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


if __name__ == "__main__":
    sys.exit(main())
