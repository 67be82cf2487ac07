"""Read the heatmap method and layer of a finished run. This module does not import fastai."""

from pathlib import Path

from callbacks.gradcam.choice import Choice
from learners.run_directory.run import Run


def stored_heatmaps(run: Path) -> Choice | None:
    """Return the method and layer in the run's `model.json`; None for an older run, which has none.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """
    kept = Run(run, new=False).read_json("model.json").get("heatmaps")
    return kept and Choice(kept["method"], kept["layer"], kept["reason"], kept["images"])
