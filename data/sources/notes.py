"""Collect short notes about a folder for one log message, such as the number of ignored files."""

from collections import Counter
from collections.abc import Iterable

MAX_NAMES = 5  # names that a message lists


class Notes:
    """Collects notes about a folder.

    Attributes:
        ignored: number of ignored files by kind; a kind is its singular and plural, as in "link|links".
    """

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self._lines: list[str] = []

    def add(self, words: str) -> None:
        """Add a note, a phrase without a full stop."""
        self._lines.append(words)

    def lines(self) -> list[str]:
        """Returns the notes, followed by one that counts the ignored files."""
        counted = [f"{n:,} {kind.split('|')[n > 1]}" for kind, n in self.ignored.items() if n]
        return [*self._lines, *([f"ignored: {', '.join(counted)}"] if counted else [])]


def join_names(names: Iterable[str]) -> str:
    """Returns the names joined by commas; of more than five, the first five and the number of the others."""
    every = list(names)
    more = f" and {len(every) - MAX_NAMES:,} more" if len(every) > MAX_NAMES else ""
    return ", ".join(every[:MAX_NAMES]) + more
