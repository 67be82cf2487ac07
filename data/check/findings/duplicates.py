"""The same picture, or nearly the same, in places where it does harm."""

from collections.abc import Iterator

from data.check.finding import Case, finding
from data.check.survey import Survey

MIN_CROSS_CLASS_SIMILARITY = (
    0.85  # similarity from which pictures of two classes count: below it those of CIFAR-10 share a frame only
)


@finding("wrong", "the same picture in two classes")
def same_in_classes(survey: Survey) -> Iterator[Case]:
    for group in survey.same:
        labels = dict.fromkeys(survey.labels[place] for place in group)
        if len(labels) > 1:
            yield Case(_one_of_each(survey, group, survey.labels), ", ".join(labels))


@finding("wrong", "the same picture in training and in validation")
def same_in_splits(survey: Survey) -> Iterator[Case]:
    for group in survey.same:
        if len({survey.splits[place] for place in group}) > 1:
            yield Case(_one_of_each(survey, group, survey.splits), f"{len(group)} files")


@finding("look", "the same picture more than once in a class")
def same_in_a_class(survey: Survey) -> Iterator[Case]:
    for group in survey.same:
        if len({(survey.splits[place], survey.labels[place]) for place in group}) == 1:
            yield Case(_names(survey, group), f"{len(group)} files")


@finding("wrong", "nearly the same picture in two classes")
def near_in_classes(survey: Survey) -> Iterator[Case]:
    yield from _closest(survey, survey.labels)


@finding("wrong", "validation images with nearly the same picture in training")
def near_in_splits(survey: Survey) -> Iterator[Case]:
    yield from _closest(survey, survey.splits)


@finding("look", "nearly the same picture in a class, which a split drawn at random may part")
def near_in_a_class(survey: Survey) -> Iterator[Case]:
    if not survey.split_given:
        yield from _closest(survey, None)


def _closest(survey: Survey, sides: list[str] | None) -> Iterator[Case]:
    """Each image that has a near duplicate on another side, with the most alike of them; a later split comes first."""
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
    """All names; one of each side comes first, for a screen shows the first two."""
    first = {sides[place]: place for place in reversed(places)}
    return _names(survey, [*sorted(first.values()), *(place for place in places if place not in first.values())])
