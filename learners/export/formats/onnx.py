"""ONNX: the graph and its weights in one file, for onnxruntime and whatever else reads ONNX."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learners.export.formats import Run, export_format, needed

if TYPE_CHECKING:
    from learners.end_to_end import EndToEnd

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
PIXELS, PROBABILITIES = "pixels", "probabilities"


@export_format("onnx")
class Onnx:
    """The facts are the file's metadata, each as JSON."""

    suffix = ".onnx"

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        with needed(*PACKAGES):
            import onnx_ir.passes.common  # of onnxscript
            import onnxruntime  # noqa: F401  before the long part
            import onnxscript  # noqa: F401  which torch asks for
        import torch

        program = torch.onnx.export(
            model,
            (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
            input_names=[PIXELS],
            output_names=[PROBABILITIES],
            dynamic_shapes={PIXELS: {0: torch.export.Dim("batch")}},
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        onnx_ir.passes.common.ClearMetadataAndDocStringPass()(program.model)  # each node names places on this machine
        program.model.metadata_props.update({name: json.dumps(value) for name, value in facts.items()})
        program.save(path, external_data=False)

    def load(self, path: Path, model: "EndToEnd") -> Run:
        with needed(*PACKAGES):
            import onnxruntime
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda pixels: session.run([PROBABILITIES], {PIXELS: pixels})[0]
