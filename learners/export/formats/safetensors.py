"""safetensors: the weights alone, under the names of the net's own parameters, with all that a user of them must know.

For whoever builds the net in another program. A `resnet18` is torchvision's with a stem of 3×3 filters and without its
max-pooling; where it says `downsample`, these names say `shortcut`.
"""

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learners.export.formats import Run, export_format

if TYPE_CHECKING:
    from learners.end_to_end import EndToEnd


@export_format("safetensors")
class Safetensors:
    """The facts are the file's metadata, each as JSON."""

    suffix = ".safetensors"

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        from safetensors.torch import save

        weights = {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()}
        path.write_bytes(save(weights, {name: json.dumps(value) for name, value in facts.items()}))

    def load(self, path: Path, model: "EndToEnd") -> Run:
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
