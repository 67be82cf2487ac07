"""How the model's attention formed, where `GradCAMCallback` watched the run."""

import base64

from markupsafe import Markup

from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section

FILE = "grad_cam.png"
TEMPLATE = """
<p>Heatmaps of the same validation images after each epoch, for their true classes and on one scale.</p>
<figure><img class="wide" alt="A row of heatmaps for each image, a column for each epoch"
src="data:image/png;base64,{{ picture }}"></figure>
"""


@section("How attention formed", order=85)
def attention(report: RunReport) -> Markup | None:
    path = report.path / FILE
    if not path.exists():
        return None
    return render(TEMPLATE, picture=base64.b64encode(path.read_bytes()).decode())
