"""The format ONNX: graph and weights in one file, for onnxruntime and other programs that read ONNX."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learners.export.formats import ExportedModel, export_format, needed

if TYPE_CHECKING:
    from learners.prediction.end_to_end import EndToEnd

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
PIXELS, PROBABILITIES = "pixels", "probabilities"  # names of the graph's input and output


@export_format("onnx")
class Onnx:
    """ONNX files; each fact is an entry of the file's metadata, as JSON."""

    suffix = ".onnx"

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        """Write a model to a file; see `Format.write`."""
        with needed(*PACKAGES):
            import onnx_ir.passes.common  # part of onnxscript
            import onnxruntime  # noqa: F401  a missing package is reported before the export, which takes long
            import onnxscript  # noqa: F401  torch needs it
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
        onnx_ir.passes.common.ClearMetadataAndDocStringPass()(program.model)  # nodes hold file paths of this machine
        program.model.metadata_props.update({name: json.dumps(value) for name, value in facts.items()})
        program.save(path, external_data=False)

    def load(self, path: Path, model: "EndToEnd") -> ExportedModel:
        """Return the model in a file as a function; see `Format.load`."""
        with needed(*PACKAGES):
            import onnxruntime
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda pixels: session.run([PROBABILITIES], {PIXELS: pixels})[0]
