"""The outputs of a finished run, from its directory or measured again."""

import logging
from pathlib import Path

from learners.answers.outputs import FILE, Outputs
from learners.evaluation import measure
from learners.opened import open_run

log = logging.getLogger(__name__)


def outputs_of_run(run: Path) -> Outputs:
    """What the model of a run answers on its validation images.

    A run of an earlier version keeps no outputs: its images are looked at now, and the run stays as it is.

    Raises:
        RunDirectoryError: there is no such run, or its outputs are damaged.
        DataError: the outputs are not kept, and the images cannot be had.
    """
    if (run / FILE).exists():
        return Outputs.load(run / FILE)
    log.warning("%s keeps no outputs: its model looks at the validation images again", run)
    return measure(open_run(run, None)).outputs
