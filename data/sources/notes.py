"""What a user should know about a folder: what was passed over, in a few words."""

from collections import Counter
from collections.abc import Iterable

MAX_NAMES = 5  # names in a message


class Notes:
    """Gathers what there is to add about a folder.

    Attributes:
        ignored: how many of each kind were passed over; a kind is written for one and for several, as in "link|links".
    """

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self._lines: list[str] = []

    def add(self, words: str) -> None:
        self._lines.append(words)

    def lines(self) -> list[str]:
        """What was said, and then what was passed over."""
        counted = [f"{n:,} {kind.split('|')[n > 1]}" for kind, n in self.ignored.items() if n]
        return [*self._lines, *([f"ignored: {', '.join(counted)}"] if counted else [])]


def join_names(names: Iterable[str]) -> str:
    """The names, or the first of many."""
    every = list(names)
    more = f" and {len(every) - MAX_NAMES:,} more" if len(every) > MAX_NAMES else ""
    return ", ".join(every[:MAX_NAMES]) + more
