"""The explanation of a trained model: figures with heatmaps and a JSON report, written into a directory."""

from collections.abc import Callable
from pathlib import Path

from fastai.data.load import DataLoader
from fastai.learner import Learner
from torch import Tensor

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.explained import Explained
from callbacks.gradcam.interpretation import WHY_WRONG_HEADING, GradCAMInterpretation
from callbacks.gradcam.method_measurements import last_layer_report, method_report, random_sample, randomisation
from callbacks.gradcam.methods import DEFAULT_METHOD
from callbacks.gradcam.report import ExplainReport, MapReport
from callbacks.gradcam.stage_progress import progress
from data.common.files import replacing, write_json

GRID_IMAGES = 12  # images in each grid
WHY_WRONG_IMAGES = 8  # images in the grid that explains wrong predictions
MAX_IMAGES = 300  # images that the model classifies by default: at an accuracy of 96% they fill the figures
STAGE_COUNT = 6  # stages that the progress bar shows


def explain(
    learn: Learner,
    out_dir: str | Path,
    choice: Choice | None = None,
    count: int = GRID_IMAGES,
    dl: DataLoader | None = None,
    images: int = MAX_IMAGES,
) -> ExplainReport:
    """Write figures of misclassified and correct images with their heatmaps, and the report `explain.json`.

    Args:
        learn: any fastai `Learner` on images with one label each.
        out_dir: directory to write to. It is created if it does not exist; files of the same names are replaced.
        choice: method and layer of the heatmaps; by default the default method at the default layer of `grad_cam`.
        count: number of images in each grid.
        dl: loader of the images to explain; by default the validation images.
        images: largest number of images to classify. They are chosen at random, in every call the same.

    Returns:
        The content of `explain.json`.

    Raises:
        CamError: the model does not have the layer, or the method is unknown.
    """
    choice = choice or Choice(DEFAULT_METHOD, None)
    with progress(STAGE_COUNT) as stage:
        stage("classifying the images")
        interp = GradCAMInterpretation.from_learner(
            learn, dl=dl, layer=choice.layer, method=choice.method, images=images
        )
        sample, maps = _explained(interp, count, stage)
        report = _report(interp, choice, sample, maps, Path(out_dir), stage)
    write_json(Path(out_dir) / "explain.json", report.to_dict())
    return report


def _explained(
    interp: GradCAMInterpretation, count: int, stage: Callable[[str], None]
) -> tuple[Explained, dict[str, Explained]]:
    """Return a random sample of all images, and the images of the figures by the name of their group."""
    stage("misclassified images")
    wrong = interp.explain(interp.wrong()[:count])
    true = interp.explain(wrong.idxs[:WHY_WRONG_IMAGES], interp.targs[wrong.idxs[:WHY_WRONG_IMAGES]], trusted=False)
    stage("correct images")
    sample = random_sample(interp, count)
    correct = sample.only([n for n, i in enumerate(sample.idxs) if interp.decoded[i] == interp.targs[i]])
    return sample, {"misclassified": wrong, "correct": correct, "true class": true}


def _report(
    interp: GradCAMInterpretation,
    choice: Choice,
    sample: Explained,
    maps: dict[str, Explained],
    out: Path,
    stage: Callable[[str], None],
) -> ExplainReport:
    """Test the heatmaps of the sample, write the figures, and return the report."""
    stage("tests of the heatmaps")
    ours = method_report(interp, sample)
    stage("tests of Grad-CAM at the last layer, for comparison")
    usual = last_layer_report(interp, sample)
    stage("random weights, and figures")
    return ExplainReport(
        out=str(out),
        files=_write_figures(interp, out, maps),
        images=len(interp.targs),
        available=len(interp.dl.dataset),
        misclassified=len(interp.wrong()),
        accuracy=(interp.decoded == interp.targs).float().mean().item(),
        choice=choice,
        ours=ours,
        usual=usual,
        randomisation=randomisation(interp),
        maps={name: _map_reports(interp, explained) for name, explained in maps.items()},
    )


def _write_figures(interp: GradCAMInterpretation, out: Path, maps: dict[str, Explained]) -> list[str]:
    """Write the figures that have images, and return the names of their files."""
    wrong, correct, true = maps.values()
    figures = {
        "misclassified": (interp.image_panels(wrong), 6, "Misclassified, the largest loss first"),
        "misclassified_cam": (interp.pair_panels(wrong), 8, "Misclassified: the evidence for the predicted class"),
        "correct": (interp.image_panels(correct), 6, "Classified correctly, a random choice"),
        "correct_cam": (interp.pair_panels(correct), 8, "Classified correctly: the evidence for the class"),
        "why_wrong": (interp.why_panels(wrong.only(range(len(true.idxs))), true), 8, WHY_WRONG_HEADING),
    }
    out.mkdir(parents=True, exist_ok=True)
    names = [f"{name}.png" for name, (panels, *_) in figures.items() if panels]
    for name in names:
        with replacing(out / name) as draft:
            interp.plot_panels(*figures[name.removesuffix(".png")]).savefig(draft, dpi=120)
    return names


def _map_reports(interp: GradCAMInterpretation, explained: Explained) -> list[MapReport]:
    def name(target: int | Tensor) -> str:
        return str(interp.vocab[int(target)])

    return [
        MapReport(
            image=interp.rows[i],
            true=name(interp.targs[i]),
            predicted=name(interp.decoded[i]),
            target=name(target),
            probability=interp.preds[i, target].item(),
            trust=trust,
        )
        for i, target, trust in zip(explained.idxs, explained.targets, explained.trust, strict=True)
    ]
