"""The result file of a benchmark: JSON with the results, the machine, the versions and the commit."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from data.common.files import write_json
from learners.run_directory.provenance import commit, versions

RESULTS = Path(__file__).parent / "results"


def write_report(name: str, figures: dict[str, Any]) -> Path:
    """Write `benchmarks/results/<name>.json` with the results, the machine, the versions and the commit."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    write_json(path, {**figures, "machine": machine(), "versions": versions(), "commit": commit()})
    print(f"written: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return path


def machine() -> dict[str, Any]:
    """Return the processor, the number of cores and the accelerator."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "gpu": gpu, "system": platform.system()}


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    lines = cpuinfo.read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
