"""Writes the list of files in ARCHITECTURE.md, from the first sentence of each file's docstring.

python docs/tree.py
"""

import ast
import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.readme_table import replaced  # noqa: E402
from data.common.files import replacing  # noqa: E402

PAGE = ROOT / "docs/ARCHITECTURE.md"
START, END = "<!-- files: written by `python docs/tree.py` -->", "<!-- end of files -->"


def files() -> list[Path]:
    """The source files of the app, by folder."""
    return [ROOT / "app.py", *(path for top in ("learners", "callbacks", "data") for path in _below(ROOT / top))]


def _below(folder: Path) -> list[Path]:
    """A folder's own files, then those of its folders."""
    deeper = [path for sub in sorted(folder.iterdir()) if (sub / "__init__.py").exists() for path in _below(sub)]
    return [*sorted(folder.glob("*.py")), *deeper]


def sentence(path: Path) -> str:
    """The first paragraph of the docstring of a file, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def listing() -> str:
    """A heading for each folder, and a line for each of its files."""
    parts = []
    for folder, members in groupby(files(), key=lambda path: path.parent):
        name = "the top" if folder == ROOT else f"`{folder.relative_to(ROOT)}/`"
        rows = "\n".join(f"- `{path.name}`: {sentence(path)}" for path in members if sentence(path))
        parts.append(f"### {name}\n\n{rows}")
    return "\n\n".join(parts)


def filled(page: str) -> str:
    """`page` with the list between its marks."""
    return replaced(page, listing(), START, END)


if __name__ == "__main__":
    with replacing(PAGE) as draft:
        draft.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
