"""What `explain` found, as one typed object, and as a table that a person reads."""

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
    """One map of a figure.

    Attributes:
        image: its place among the validation images.
        true, predicted, target: classes; the map is for the last.
        probability: of the target.
        trust: None of a map for the true class of a misclassified image, which is only there to compare with.
    """

    image: int
    true: str
    predicted: str
    target: str
    probability: float
    trust: Trust | None


@dataclass(frozen=True)
class MethodReport:
    """What a method does on this model.

    Attributes:
        passed: the share of images, chosen at random among those looked at, whose map has p ≤ 0.05.
        pointed: the mean mass of maps in the quarter of a mosaic that shows the class.
    """

    method: str
    layer: str | Sequence[str] | None
    passed: Estimate | None
    pointed: Estimate | None


@dataclass(frozen=True)
class ExplainReport:
    """Everything that `explain` found.

    Attributes:
        images: how many validation images were looked at, of `available`.
        choice: the method and layer in use, and what they were chosen on.
        usual: Grad-CAM at the last layer, which is what pytorch-grad-cam's documentation uses.
        maps: by figure, its maps.
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
        """What `explain.json` and `--json` hold."""
        verdict = {"passed": self.randomisation.passed, "sentence": str(self.randomisation)}
        return asdict(self) | {"randomisation": asdict(self.randomisation) | verdict}

    def table(self) -> Group:
        """About twelve lines that a person reads."""
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
