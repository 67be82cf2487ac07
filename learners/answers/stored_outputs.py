"""The outputs of a finished run, from its directory or measured again."""

import logging
from pathlib import Path

from learners.answers.outputs import FILE, Outputs
from learners.evaluation import measure
from learners.opened_run import OpenedRun, open_run

log = logging.getLogger(__name__)


def run_outputs(run: Path) -> Outputs:
    """What the model of a run answers on its validation images.

    Raises:
        RunDirectoryError: there is no such run, or its outputs are damaged.
        DataError: the outputs are not kept, and the images cannot be had.
    """
    if (run / FILE).exists():
        return Outputs.load(run / FILE)
    return _measured(run, open_run(run, None))


def opened_outputs(run: Path, opened: OpenedRun | None) -> Outputs | None:
    """The same for a run whose images are at hand, or None where they cannot be had.

    Raises:
        RunDirectoryError: the outputs are damaged.
    """
    if (run / FILE).exists():
        return Outputs.load(run / FILE)
    return None if opened is None else _measured(run, opened)


def _measured(run: Path, opened: OpenedRun) -> Outputs:
    """Of a run of an earlier version, which keeps no outputs: it stays as it is."""
    log.warning("%s keeps no outputs: its model looks at the validation images again", run)
    return measure(opened).outputs
