"""The schemas of a run's files, which are checked on reading because a file may be damaged or edited by hand."""

from functools import cache
from typing import Annotated, Any, Literal, NotRequired, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic asks for it on Python 3.11

from learners.recipe import Recipe

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
RGB = Field(min_length=3, max_length=3)  # one value per channel
allows_more = with_config(ConfigDict(extra="allow", arbitrary_types_allowed=True))  # entries without a schema are kept


@allows_more
class Session(TypedDict, total=False):
    """The entry `session` of `recipe.json`; see `additions`."""

    callbacks: list[str]
    loss: str
    metrics: list[str]
    net: str
    pipeline: list[str]


@allows_more
class Description(TypedDict):
    """The entries of `recipe.json` that are not settings; the settings are checked by `validated_recipe`."""

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


@allows_more
class ModelDescription(TypedDict):
    """The entries of `model.json`."""

    format: NotRequired[int]
    architecture: str
    classes: Annotated[list[str], Field(min_length=1)]
    size: Annotated[int, Field(ge=1)]
    channels: Literal[3]
    mean: Annotated[list[Number], RGB]
    std: Annotated[list[Positive], RGB]
    temperature: NotRequired[Positive]
    heatmaps: NotRequired[Heatmaps | None]


@allows_more
class Checkpoint(TypedDict):
    """The entries of `checkpoint.pt`; the model, the optimizer and the callbacks check their own states on loading."""

    recipe: dict[str, Any]
    epoch: Count
    step: Count
    model: dict[str, Any]
    opt: dict[str, Any]
    callbacks: dict[str, Any]
    gradients: NotRequired[list[Any]]
    attributes: NotRequired[dict[str, dict[str, Any]]]


SCHEMAS: dict[str, Any] = {
    "recipe.json": Description,
    "model.json": ModelDescription,
    "checkpoint.pt": Checkpoint,
}


def validated(name: str, content: Any) -> dict[str, Any]:
    """Return the content of a run's file unchanged if it matches the schema of that file.

    Args:
        name: the name of the file. The content of a file without a schema must be a dictionary.
        content: the content of the file.

    Raises:
        ValueError: an entry is missing or has the wrong type; the message names the first one in one line.
    """
    return _validated(_adapter(SCHEMAS.get(name, dict[str, Any])), content)


def validated_recipe(settings: dict[str, Any]) -> Recipe:
    """Return the recipe of these settings.

    Raises:
        ValueError: a setting has the wrong type or an invalid value; the message names the first one in one line.
    """
    schema = TypedDict("Settings", get_type_hints(Recipe), total=False)  # type: ignore[misc]  # mypy wants literals
    return Recipe.of(**_validated(TypeAdapter(schema), settings))


@cache
def _adapter(schema: Any) -> TypeAdapter:
    return TypeAdapter(schema)


def _validated(adapter: TypeAdapter, content: Any) -> Any:
    try:
        return adapter.validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from error
