"""The heatmaps that a finished run keeps in its `model.json`. Without fastai."""

from pathlib import Path

from callbacks.gradcam.choice import Choice
from learners.run import Run


def stored_heatmaps(run: Path) -> Choice | None:
    """Method and layer that a run chose at its end; None for a run of an earlier version, which keeps none.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """
    kept = Run(run, new=False).read_json("model.json").get("heatmaps")
    return kept and Choice(kept["method"], kept["layer"], kept["reason"], kept["images"])
