"""The results of `explain` as typed objects, and as a table for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Group
from rich.table import Table

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.estimates import Estimate
from callbacks.gradcam.sanity import Randomisation
from callbacks.gradcam.trust import Trust


@dataclass(frozen=True)
class MapReport:
    """The data of a heatmap in a figure.

    Attributes:
        image: index of the image among the validation images.
        true, predicted: names of the true and the predicted class.
        target: name of the class that the heatmap explains.
        probability: probability of the target.
        trust: test of the heatmap; None for the true class of a misclassified image, which is shown for comparison.
    """

    image: int
    true: str
    predicted: str
    target: str
    probability: float
    trust: Trust | None


@dataclass(frozen=True)
class MethodReport:
    """The test results of a heatmap method on a model.

    Attributes:
        method: name of the method.
        layer: name of the layer, or of several; None for the default.
        passed: share of a random sample of images whose heatmap has p ≤ 0.05.
        pointed: mean share of a heatmap's mass in the quarter of a mosaic that shows the class.
    """

    method: str
    layer: str | Sequence[str] | None
    passed: Estimate | None
    pointed: Estimate | None


@dataclass(frozen=True)
class ExplainReport:
    """The results of `explain`.

    Attributes:
        out: directory of the files.
        files: names of the figures.
        images: number of images that were classified.
        available: number of images in the loader.
        misclassified: number of misclassified images.
        accuracy: fraction of correctly classified images.
        choice: method and layer of the heatmaps, and how they were chosen.
        ours: test results of that method.
        usual: test results of Grad-CAM at the last layer, which the documentation of pytorch-grad-cam uses.
        randomisation: comparison with heatmaps of the model with random weights.
        maps: data of the heatmaps, by figure.
    """

    out: str
    files: list[str]
    images: int
    available: int
    misclassified: int
    accuracy: float
    choice: Choice
    ours: MethodReport
    usual: MethodReport
    randomisation: Randomisation
    maps: dict[str, list[MapReport]]

    def to_dict(self) -> dict:
        """Return the content of `explain.json`, which `--json` also prints."""
        verdict = {"passed": self.randomisation.passed, "sentence": str(self.randomisation)}
        return asdict(self) | {"randomisation": asdict(self.randomisation) | verdict}

    def table(self) -> Group:
        """Return the results as a table for the terminal, about twelve lines."""
        facts = Table(show_header=False, box=None, pad_edge=False)
        facts.add_column(style="bold", no_wrap=True)
        for name, text in self._facts():
            facts.add_row(name, text)
        compared = Table(box=None, pad_edge=False)
        names = (f"{one.method}, {one.layer or 'default layer'}" for one in (self.ours, self.usual))
        for name in ("", *names, "chance"):
            compared.add_column(name)
        compared.add_row("maps with p ≤ 0.05", _text(self.ours.passed), _text(self.usual.passed), "5%")
        compared.add_row("mass on one class of four", _text(self.ours.pointed), _text(self.usual.pointed), "25%")
        return Group(facts, compared)

    def _facts(self) -> list[tuple[str, str]]:
        some = f"{self.images:,} of {self.available:,}" if self.images < self.available else f"{self.images:,}"
        return [
            ("images", f"{some}; accuracy {self.accuracy:.2%}, {self.misclassified:,} misclassified"),
            ("heatmaps", str(self.choice)),
            *((name, _passed(maps)) for name, maps in self.maps.items() if maps and maps[0].trust),
            ("random weights", str(self.randomisation)),
            ("files", f"{self.out}: {len(self.files)} figures, explain.json"),
        ]


def _passed(maps: list[MapReport]) -> str:
    trust = [m.trust for m in maps if m.trust]
    passed, same = sum(t.passed for t in trust), sum(t.agrees for t in trust)
    return f"{passed} of {len(maps)} maps have p ≤ 0.05; a second fill agrees on {same}"


def _text(estimate: Estimate | None) -> str:
    return f"{estimate.text}, n {estimate.count}" if estimate else "not measured"
