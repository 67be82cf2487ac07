"""The format of torch.export: graph and weights in one file, for PyTorch in Python or C++ without this project."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learners.export.formats import ExportedModel, export_format

if TYPE_CHECKING:
    from learners.prediction.end_to_end import EndToEnd

FACTS_FILE = "facts.json"  # name of the extra file with the facts


@export_format("torch-export")
class TorchExport:
    """Files of torch.export; the facts are an extra file in them, as JSON.

    To read the facts: `found = {"facts.json": ""}; torch.export.load(path, extra_files=found)`.
    """

    suffix = ".pt2"

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        """Write a model to a file; see `Format.write`."""
        import torch

        example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        with torch.no_grad():
            batch = {"pixels": {0: torch.export.Dim("batch")}}
            program = torch.export.export(model, (example,), dynamic_shapes=batch)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # it holds file paths of this machine
        with path.open("wb") as file:  # torch accepts a path only with its own suffix
            torch.export.save(program, file, extra_files={FACTS_FILE: json.dumps(facts)})

    def load(self, path: Path, model: "EndToEnd") -> ExportedModel:
        """Return the model in a file as a function; see `Format.load`."""
        import torch

        with path.open("rb") as file:
            module = torch.export.load(file).module()
        return lambda pixels: module(torch.from_numpy(pixels)).detach().numpy()
