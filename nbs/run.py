"""Execute the notebooks from the top, and keep their outputs in them.

    python -m nbs.run [NAME …]

A cell that raises ends with its traceback and a non-zero code, and the file stays as it is. What was said on stderr is
left out of what is kept, and where fastai keeps its data is written as `~/.fastai`.
"""

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from data.common.files import replacing
from data.home import home_path

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
SECONDS = 1800  # for one cell
TEXTS = ("text/plain", "text/html")


def executed(path: Path) -> NotebookNode:
    """The notebook with the outputs of a fresh kernel, without what is noise.

    Raises:
        CellExecutionError: a cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", NotebookNode()  # nbclient adds times and random names
        if cell.cell_type == "code":
            cell.outputs = [cleaned(output) for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def cleaned(output: NotebookNode) -> NotebookNode:
    """An output whose paths begin with `~/.fastai`."""
    home, texts = str(home_path("data").parent), [(output, "text"), *((output.get("data", {}), kind) for kind in TEXTS)]
    for place, name in texts:
        if name in place:
            place[name] = place[name].replace(home, "~/.fastai")
    return output


def main() -> None:
    """Execute the notebooks that the command line names, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME")
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the kernels
    for name in parser.parse_args().names or NAMES:
        print(name, file=sys.stderr)
        path = FOLDER / f"{name}.ipynb"
        notebook = executed(path)
        with replacing(path) as draft:
            nbformat.write(notebook, draft)


if __name__ == "__main__":
    main()
