"""Findings about classes: their number, their sizes and their names."""

import os
import unicodedata
from collections.abc import Iterator

from data.check.finding import Case, finding, images
from data.check.survey import Survey

MAX_IMBALANCE = 10  # ratio of the sizes of the largest class and another one, above which the set is imbalanced


@finding("stop", "fewer than two classes")
def one_class(survey: Survey) -> Iterator[Case]:
    """Yield one case if the training images have fewer than two classes."""
    if len(survey.counts["train"]) < 2:
        yield Case(tuple(survey.counts["train"]), "all training images")


@finding("stop", "classes of validation images that no training image has")
def unknown_class(survey: Survey) -> Iterator[Case]:
    """Yield each class that only validation images have."""
    for label in sorted(survey.counts.get("valid", {}).keys() - survey.counts["train"].keys()):
        yield Case((label,), images(survey.counts["valid"][label]))


@finding("wrong", "class names that differ only in case, spaces or Unicode form")
def named_alike(survey: Survey) -> Iterator[Case]:
    """Yield each group of class names that are equal without case, spaces, underscores and Unicode form."""
    same: dict[str, list[str]] = {}
    for label in sorted({_as_written(*both) for both in zip(survey.names, survey.labels, strict=True)}):
        plain = "".join(unicodedata.normalize("NFKC", label).casefold().replace("_", " ").split())
        same.setdefault(plain, []).append(label)
    yield from (Case(tuple(labels)) for labels in same.values() if len(labels) > 1)


def _as_written(path: str, label: str) -> str:
    """Returns the name of the class folder in its original Unicode form, such as a letter with a separate accent."""
    if label.isascii():
        return label
    plain = unicodedata.normalize("NFC", label)
    return next((part for part in path.split(os.sep) if unicodedata.normalize("NFC", part) == plain), label)


@finding("look", "classes without validation images")
def not_validated(survey: Survey) -> Iterator[Case]:
    """Yield each class without validation images, if the data have a validation split."""
    if survey.split_given:
        for label in sorted(survey.counts["train"].keys() - survey.counts["valid"].keys()):
            yield Case((label,), f"{images(survey.counts['train'][label])} to train on")


@finding("look", "classes of one image, which are not validated")
def single(survey: Survey) -> Iterator[Case]:
    """Yield each class of one image, if the data have no validation split."""
    if not survey.split_given:
        yield from (Case((label,)) for label, count in sorted(survey.counts["train"].items()) if count == 1)


@finding("look", "strong imbalance: classes with less than a tenth of the training images of the largest one")
def imbalance(survey: Survey) -> Iterator[Case]:
    """Yield each class with less than a tenth of the training images of the largest class, smallest first."""
    counts = survey.counts["train"]
    largest, most = counts.most_common(1)[0]
    for label, count in sorted(counts.items(), key=lambda item: item[1]):
        if count * MAX_IMBALANCE < most:
            yield Case((label,), f"{images(count)} beside {most:,} of {largest}")
