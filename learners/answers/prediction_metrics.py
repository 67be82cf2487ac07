"""Metrics of a model's predictions: pure functions of logits N×C and targets N.

SciPy and scikit-learn are imported within the functions, because these imports take as long as evaluating a small run.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

CALIBRATION_BINS = 15  # number of bins of the expected calibration error, as in Guo et al. 2017
TOP_K = 5  # number of classes of the top-k accuracy
MAX_CLASSES_WITHOUT_TOP_K = 10  # number of classes up to which top-5 accuracy is not computed


@dataclass(frozen=True)
class Share:
    """A fraction with its 95% confidence interval.

    Attributes:
        value: the fraction; 0 if `count` is 0.
        low, high: ends of Wilson's interval (Wilson 1927).
        count: the denominator of the fraction.
    """

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ClassMetrics:
    """The metrics of one class.

    Attributes:
        name: name of the class.
        precision: fraction of the predictions of this class that are correct; 0 if it was never predicted.
        recall: fraction of the images of this class that are classified correctly; 0 if it has no images.
        f1: harmonic mean of precision and recall.
        support: number of images of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics in plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: the images whose predicted probability lies in an interval.

    Attributes:
        low, high: ends of the interval; it excludes `low`, unless that is 0.
        count: number of images.
        confidence: mean probability of the predicted classes; NaN if the bin is empty.
        accuracy: fraction of images that are classified correctly; NaN if the bin is empty.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def share(hits: int, count: int) -> Share:
    """Return `hits / count` with its 95% interval; the interval is 0 to 1 if `count` is 0."""
    from scipy.stats import binomtest

    if not count:
        return Share(0.0, 0.0, 1.0, 0)
    low, high = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    return Share(hits / count, float(low), float(high), count)


def accuracy_of(logits: np.ndarray, targets: np.ndarray) -> Share:
    """Return the fraction of images whose largest logit is that of the target."""
    return share(int((logits.argmax(1) == targets).sum()), len(targets))


def class_metrics(logits: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> list[ClassMetrics]:
    """Return precision, recall, F1 and support of each class, in the order of `classes`."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        targets, logits.argmax(1), labels=range(len(classes)), average=None, zero_division=0
    )
    rows = zip(classes, *(column.tolist() for column in columns), strict=True)
    return [ClassMetrics(name, p, r, f1, int(n)) for name, p, r, f1, n in rows]


def top_accuracy(logits: np.ndarray, targets: np.ndarray) -> float | None:
    """Return the fraction of targets among the five largest logits, or None for ten classes or fewer."""
    from sklearn.metrics import top_k_accuracy_score

    n_classes = logits.shape[1]
    if n_classes <= MAX_CLASSES_WITHOUT_TOP_K:
        return None
    return float(top_k_accuracy_score(targets, logits, k=TOP_K, labels=range(n_classes)))


def confusions(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the confusion matrix, C×C: counts with true classes in rows and predicted classes in columns."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(targets, logits.argmax(1), labels=range(logits.shape[1]))


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> list[Bin]:
    """Return the bins of the reliability diagram: 15 intervals of the predicted class's probability, of equal width.

    Args:
        probabilities: N×C.
        targets: N.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 2.
    """
    confidences, hits = probabilities.max(1), probabilities.argmax(1) == targets
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bin_of = np.clip(np.digitize(confidences, edges, right=True) - 1, 0, CALIBRATION_BINS - 1)
    return [_bin(confidences[bin_of == i], hits[bin_of == i], *edges[i : i + 2]) for i in range(CALIBRATION_BINS)]


def _bin(confidences: np.ndarray, hits: np.ndarray, low: float, high: float) -> Bin:
    return Bin(float(low), float(high), len(confidences), _mean(confidences), _mean(hits))


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean over images of their bin's |confidence − accuracy|."""
    total = sum(one.count for one in bins)
    gaps = [one.count * abs(one.confidence - one.accuracy) for one in bins if one.count]
    return sum(gaps) / total if total else 0.0


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
