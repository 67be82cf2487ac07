"""Findings about duplicates and near duplicates in two classes or two splits."""

from collections.abc import Iterator

from data.check.finding import Case, finding
from data.check.survey import Survey

# Smallest similarity of near duplicates in two classes; below it, CIFAR-10 has pairs of different pictures
MIN_CROSS_CLASS_SIMILARITY = 0.85


@finding("wrong", "the same picture in two classes")
def same_in_classes(survey: Survey) -> Iterator[Case]:
    """Yield each group of identical pictures whose classes differ."""
    for group in survey.same:
        labels = dict.fromkeys(survey.labels[place] for place in group)
        if len(labels) > 1:
            yield Case(_one_of_each(survey, group, survey.labels), ", ".join(labels))


@finding("wrong", "the same picture in training and in validation")
def same_in_splits(survey: Survey) -> Iterator[Case]:
    """Yield each group of identical pictures that are in training and in validation."""
    for group in survey.same:
        if len({survey.splits[place] for place in group}) > 1:
            yield Case(_one_of_each(survey, group, survey.splits), f"{len(group)} files")


@finding("look", "the same picture more than once in a class")
def same_in_a_class(survey: Survey) -> Iterator[Case]:
    """Yield each group of identical pictures within one class and one split."""
    for group in survey.same:
        if len({(survey.splits[place], survey.labels[place]) for place in group}) == 1:
            yield Case(_names(survey, group), f"{len(group)} files")


@finding("wrong", "nearly the same picture in two classes")
def near_in_classes(survey: Survey) -> Iterator[Case]:
    """Yield each image with a near duplicate in another class."""
    yield from _closest(survey, survey.labels)


@finding("wrong", "validation images with nearly the same picture in training")
def near_in_splits(survey: Survey) -> Iterator[Case]:
    """Yield each validation image with a near duplicate in training."""
    yield from _closest(survey, survey.splits)


@finding("look", "nearly the same picture in a class, which a random split may separate")
def near_in_a_class(survey: Survey) -> Iterator[Case]:
    """Yield each image with a near duplicate in its class, if the data have no validation split."""
    if not survey.split_given:
        yield from _closest(survey, None)


def _closest(survey: Survey, sides: list[str] | None) -> Iterator[Case]:
    """Yield each image that has a near duplicate, together with the most similar one.

    The image that comes later in the set is named first, so that a validation image precedes its training image.

    Args:
        survey: facts about the data set.
        sides: split or class of each image, in which the two must differ; None yields pairs within one class.
    """
    reported: set[int] = set()
    for first, second, similarity in survey.near:
        one_class = survey.labels[first] == survey.labels[second]
        parted = one_class if sides is None else sides[first] != sides[second]
        if parted and second not in reported and (one_class or similarity >= MIN_CROSS_CLASS_SIMILARITY):
            reported.add(second)
            labels = " / ".join(dict.fromkeys((survey.labels[second], survey.labels[first])))
            yield Case(_names(survey, [second, first]), f"{labels}, similarity {similarity:.2f}")


def _names(survey: Survey, places: list[int]) -> tuple[str, ...]:
    return tuple(survey.names[place] for place in places)


def _one_of_each(survey: Survey, places: list[int], sides: list[str]) -> tuple[str, ...]:
    """Returns all names, with one of each side first, because the table shows only the first two."""
    first = {sides[place]: place for place in reversed(places)}
    return _names(survey, [*sorted(first.values()), *(place for place in places if place not in first.values())])
