"""All that there is to see of a trained model, as files in a directory."""

from pathlib import Path
from typing import Any

from callbacks.files import replacing, write_json
from callbacks.gradcam.images import chosen_batches
from callbacks.gradcam.interpretation import WHY, GradCAMInterpretation
from callbacks.gradcam.plots import draw
from callbacks.gradcam.sanity import randomisation_check

COMPARED = 8  # images in the why-wrong grid, and in the randomisation check


def explain(
    learn, out_dir: str | Path, method: str = "gradcam", layer: str | None = None, count: int = 25, dl=None
) -> dict[str, Any]:
    """Write the grids of misclassified and correct images, their heatmaps, the why-wrong grid and `faithfulness.json`.

    Args:
        learn: any fastai `Learner` on images with one label each.
        out_dir: made if need be; files of the same names are replaced.
        method, layer: as of `grad_cam`.
        count: images in each grid.
        dl: the images to explain; by default the validation images.

    Returns:
        What `faithfulness.json` holds: how many images there are, the accuracy, the files, the faithfulness of each
        grid's maps, and the randomisation check.

    Raises:
        CamError: a layer or method that the model does not have.
    """
    interp = GradCAMInterpretation.from_learner(learn, dl=dl, layer=layer, method=method)
    wrong, correct = interp.explain(interp.wrong()[:count]), interp.explain(interp.correct()[:count])
    compared = wrong.first(COMPARED)
    true = interp.explain(compared.idxs, interp.targs[compared.idxs])
    figures = {
        "misclassified": (interp.image_panels(wrong), 5, "Misclassified, the largest loss first"),
        "misclassified_cam": (interp.heat_panels(wrong), 5, "Misclassified: the evidence for the predicted class"),
        "correct": (interp.image_panels(correct), 5, "Classified correctly, a random choice"),
        "correct_cam": (interp.heat_panels(correct), 5, "Classified correctly: the evidence for the class"),
        "why_wrong": (interp.why_panels(compared, true), 8, WHY),
    }
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    files = [_save(out / f"{name}.png", *parts) for name, parts in figures.items() if parts[0]]
    results = {
        "out": str(out),
        "files": [path.name for path in files],
        "images": len(interp.targs),
        "misclassified": len(interp.wrong()),
        "accuracy": (interp.decoded == interp.targs).float().mean().item(),
        "method": method,
        "layer": layer or getattr(learn.model, "cam_layer", None),
        "faithfulness": {
            "misclassified": wrong.faith.summary(),
            "correct": correct.faith.summary(),
            "true_class_of_misclassified": true.faith.summary(),
        },
        "randomisation": _randomise(interp),
    }
    write_json(out / "faithfulness.json", results)
    return results


def _save(path: Path, panels: list, columns: int, heading: str) -> Path:
    with replacing(path) as draft:
        draw(panels, columns, heading).savefig(draft, dpi=120)
    return path


def _randomise(interp: GradCAMInterpretation) -> dict[str, float]:
    """See `randomisation_check`; on some of the correct images, whose maps have most to lose."""
    idxs = (interp.correct() or interp.wrong())[:COMPARED]
    xb, *_ = chosen_batches(interp.dl, idxs)[0]
    return randomisation_check(interp.learn.model, xb, interp.decoded[idxs][: len(xb)], interp.layer, interp.method)
