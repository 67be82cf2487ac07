"""What the loaders need to know, with nothing left open."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from data.sources import Source


@dataclass(frozen=True)
class DataSettings:
    size: int
    batch_size: int
    crop: float
    mirror: Literal["alternate", "random", "none"]
    cutout: float
    seed: int
    workers: int
    cache: Literal["auto", "memory", "none"]


class DataRecipe(Protocol):
    @property
    def seed(self) -> int: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def holdout(self) -> int | None: ...
    def data_settings(self, source: "Source") -> DataSettings: ...
