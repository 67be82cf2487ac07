"""Figures of a model's answers: pure functions of logits N×C and targets N.

SciPy's statistics and scikit-learn are imported where they are used: they take as long as evaluating a small run.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BINS = 15  # of the expected calibration error, as in Guo et al. 2017
TOP, TOP_FROM = 5, 10  # top-5 accuracy says something where there are more than ten classes


@dataclass(frozen=True)
class Share:
    """A fraction of a count, with its 95% interval.

    Attributes:
        value: the fraction; 0 of nothing.
        low, high: both ends of Wilson's interval (Wilson 1927).
        count: of how many.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ClassMetrics:
    """How a class did.

    Attributes:
        name: of the class.
        precision: the fraction of its predictions that are right; 0 where it was never predicted.
        recall: the fraction of its images that were found; 0 where it has none.
        f1: the harmonic mean of both.
        support: the number of its images.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bin:
    """The images of which the model is sure to a degree.

    Attributes:
        low, high: both ends of the bin's confidences; `low` is not in it, except for 0.
        count: of images.
        confidence, accuracy: their means; NaN of an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def share(hits: int, count: int) -> Share:
    """A fraction with its 95% interval, which is from 0 to 1 where `count` is 0."""
    from scipy.stats import binomtest

    if not count:
        return Share(0.0, 0.0, 1.0, 0)
    low, high = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    return Share(hits / count, float(low), float(high), count)


def accuracy_of(logits: np.ndarray, targets: np.ndarray) -> Share:
    """The fraction of images whose greatest logit is at the target."""
    return share(int((logits.argmax(1) == targets).sum()), len(targets))


def class_metrics(logits: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> list[ClassMetrics]:
    """Precision, recall, F1 and support of each class, in the order of `classes`."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        targets, logits.argmax(1), labels=range(len(classes)), average=None, zero_division=0
    )
    rows = zip(classes, *(column.tolist() for column in columns), strict=True)
    return [ClassMetrics(name, p, r, f1, int(n)) for name, p, r, f1, n in rows]


def top_accuracy(logits: np.ndarray, targets: np.ndarray) -> float | None:
    """The fraction of targets among the five greatest logits; None where there are ten classes or fewer."""
    from sklearn.metrics import top_k_accuracy_score

    n_classes = logits.shape[1]
    if n_classes <= TOP_FROM:
        return None
    return float(top_k_accuracy_score(targets, logits, k=TOP, labels=range(n_classes)))


def confusions(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Counts C×C: true classes in rows, predicted ones in columns."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(targets, logits.argmax(1), labels=range(logits.shape[1]))


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> list[Bin]:
    """The bins of the reliability diagram: 15 of equal width, by the probability of the predicted class.

    Args:
        probabilities: N×C.
        targets: N.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 2.
    """
    sure, hits = probabilities.max(1), probabilities.argmax(1) == targets
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.digitize(sure, edges, right=True) - 1, 0, BINS - 1)
    return [_bin(sure[place == i], hits[place == i], *edges[i : i + 2]) for i in range(BINS)]


def _bin(sure: np.ndarray, hits: np.ndarray, low: float, high: float) -> Bin:
    return Bin(float(low), float(high), len(sure), _mean(sure), _mean(hits))


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: the mean over images of the gap between confidence and accuracy of their bin."""
    total = sum(one.count for one in bins)
    gaps = [one.count * abs(one.confidence - one.accuracy) for one in bins if one.count]
    return sum(gaps) / total if total else 0.0


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
