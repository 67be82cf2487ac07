"""What the files of a run must hold, checked when they are read: they may be damaged, or edited by hand."""

from functools import cache
from typing import Annotated, Any, Literal, NotRequired, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic asks for it on Python 3.11

from learners.recipe import Recipe

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
RGB = Field(min_length=3, max_length=3)  # a value for each channel
with_more = with_config(ConfigDict(extra="allow", arbitrary_types_allowed=True))


@with_more
class Session(TypedDict, total=False):
    """What a session added to its recipe; see `additions`."""

    callbacks: list[str]
    loss: str
    metrics: list[str]
    net: str
    pipeline: list[str]


@with_more
class Description(TypedDict):
    """`recipe.json`; its settings are checked as a `Recipe`."""

    fingerprint: str
    classes: list[str]
    train_images: Count
    valid_images: Count
    versions: dict[str, str]
    session: NotRequired[Session]
    device: NotRequired[str]
    precision: NotRequired[str]


class Heatmaps(TypedDict):
    """The entry `heatmaps` of `model.json`; see `Choice`."""

    method: str
    layer: str | None
    reason: str
    images: Count


@with_more
class ModelDescription(TypedDict):
    """`model.json`."""

    format: NotRequired[int]
    architecture: str
    classes: Annotated[list[str], Field(min_length=1)]
    size: Annotated[int, Field(ge=1)]
    channels: Literal[3]
    mean: Annotated[list[Number], RGB]
    std: Annotated[list[Positive], RGB]
    temperature: NotRequired[Positive]
    heatmaps: NotRequired[Heatmaps | None]


@with_more
class Checkpoint(TypedDict):
    """`checkpoint.pt`; what the model, the optimizer and the callbacks make of theirs is for them to say."""

    recipe: dict[str, Any]
    epoch: Count
    step: Count
    model: dict[str, Any]
    opt: dict[str, Any]
    callbacks: dict[str, Any]
    gradients: NotRequired[list[Any]]
    attributes: NotRequired[dict[str, dict[str, Any]]]


SHAPES: dict[str, Any] = {
    "recipe.json": Description,
    "model.json": ModelDescription,
    "checkpoint.pt": Checkpoint,
}


def validated(name: str, content: Any) -> dict[str, Any]:
    """The content of a file of a run, as it is. Of a file without a shape it must be a dictionary.

    Raises:
        ValueError: the first entry that is missing, or of another type, in one line.
    """
    return _validated(_adapter(SHAPES.get(name, dict[str, Any])), content)


def validated_recipe(settings: dict[str, Any]) -> Recipe:
    """The recipe of these settings.

    Raises:
        ValueError: the first setting of another type, or that no run can have, in one line.
    """
    shape = TypedDict("Settings", get_type_hints(Recipe), total=False)  # type: ignore[misc]  # made while running
    return Recipe.of(**_validated(TypeAdapter(shape), settings))


@cache
def _adapter(shape: Any) -> TypeAdapter:
    return TypeAdapter(shape)


def _validated(adapter: TypeAdapter, content: Any) -> Any:
    try:
        return adapter.validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from error
