"""torch.export: the graph and its weights in one file, for PyTorch without this project, in Python or C++."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learners.export.formats import Run, export_format

if TYPE_CHECKING:
    from learners.end_to_end import EndToEnd

FACTS = "facts.json"


@export_format("torch-export")
class TorchExport:
    """`torch.export.load(path, extra_files=found)` with `found = {"facts.json": ""}` puts the facts there, as JSON."""

    suffix = ".pt2"

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        import torch

        example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        with torch.no_grad():
            batch = {"pixels": {0: torch.export.Dim("batch")}}
            program = torch.export.export(model, (example,), dynamic_shapes=batch)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # it names places on this machine
        with path.open("wb") as file:  # by its path it takes no suffix but its own
            torch.export.save(program, file, extra_files={FACTS: json.dumps(facts)})

    def load(self, path: Path, model: "EndToEnd") -> Run:
        import torch

        with path.open("rb") as file:
            module = torch.export.load(file).module()
        return lambda pixels: module(torch.from_numpy(pixels)).detach().numpy()
