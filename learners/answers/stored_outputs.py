"""Read the outputs of a finished run from its directory, or compute them again."""

import logging
from pathlib import Path

from learners.answers.evaluation import measure
from learners.answers.outputs import FILE, Outputs
from learners.run_directory.opened_run import OpenedRun, open_run

log = logging.getLogger(__name__)


def run_outputs(run: Path) -> Outputs:
    """Return the outputs of a run's model on its validation images.

    Raises:
        RunDirectoryError: there is no run, or its outputs are damaged.
        DataError: the outputs are not in the run directory, and the images cannot be read.
    """
    if (run / FILE).exists():
        return Outputs.load(run / FILE)
    return _computed(run, open_run(run, None))


def opened_outputs(run: Path, opened: OpenedRun | None) -> Outputs | None:
    """Return the outputs of a run whose model and images are loaded.

    Args:
        run: the run directory.
        opened: the model and the images; None if they cannot be read.

    Returns:
        The outputs; None if they are neither in the run directory nor can be computed.

    Raises:
        RunDirectoryError: the outputs are damaged.
    """
    if (run / FILE).exists():
        return Outputs.load(run / FILE)
    return None if opened is None else _computed(run, opened)


def _computed(run: Path, opened: OpenedRun) -> Outputs:
    """Compute the outputs of an older run, which has no file of them; the run directory is not changed."""
    log.warning("%s has no %s: computing the outputs on the validation images again", run, FILE)
    return measure(opened).outputs
