"""The format safetensors: the weights under the names of the net's parameters, and the metadata.

It is for programs that build the net themselves. A `resnet18` is torchvision's with a stem of 3×3 filters and without
max-pooling; torchvision's `downsample` in the names is `shortcut` here.
"""

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learners.export.formats import ExportedModel, export_format

if TYPE_CHECKING:
    from learners.prediction.end_to_end import EndToEnd


@export_format("safetensors")
class Safetensors:
    """safetensors files; each fact is an entry of the file's metadata, as JSON."""

    suffix = ".safetensors"

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        """Write the weights of a model to a file; see `Format.write`."""
        from safetensors.torch import save

        weights = {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()}
        path.write_bytes(save(weights, {name: json.dumps(value) for name, value in facts.items()}))

    def load(self, path: Path, model: "EndToEnd") -> ExportedModel:
        """Return a copy of `model` with the weights of a file; see `Format.load`."""
        import torch
        from safetensors import safe_open
        from safetensors.torch import load_file

        restored = copy.deepcopy(model)
        restored.net.load_state_dict(load_file(path))
        with safe_open(path, "pt") as file:
            facts = {name: json.loads(value) for name, value in file.metadata().items()}
        restored.temperature = facts["temperature"]
        restored.mean, restored.std = torch.tensor(facts["mean"]), torch.tensor(facts["std"])
        return lambda pixels: restored(torch.from_numpy(pixels)).detach().numpy()
