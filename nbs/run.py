"""Execute the notebooks from the top, and keep their outputs in them.

    python -m nbs.run [NAME …]

A cell that raises ends with its traceback and a non-zero code, and the file stays as it is. Progress and warnings are
left out of what is kept: they differ from run to run.
"""

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from data.common.files import replacing

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
SECONDS = 1800  # for one cell


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
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main() -> None:
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
