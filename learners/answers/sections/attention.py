"""The section with heatmaps of the same images after each epoch, from `GradCAMCallback`."""

import base64

from markupsafe import Markup

from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section

FILE = "grad_cam.png"  # picture in the run directory
TEMPLATE = """
<p>Heatmaps of the same validation images after each epoch, for their true classes and on one scale.</p>
<figure><img class="wide" alt="One row of heatmaps per image, one column per epoch"
src="data:image/png;base64,{{ picture }}"></figure>
"""


@section("Heatmaps during training", order=85)
def attention(report: RunReport) -> Markup | None:
    """Return the picture of heatmaps by epoch; None if the run has none."""
    path = report.path / FILE
    if not path.exists():
        return None
    return render(TEMPLATE, picture=base64.b64encode(path.read_bytes()).decode())
