#!/usr/bin/env bash
# A benchmark of full-size runs on a bare GPU machine without a network that has Python 3.12, torch 2.11 and torchvision
# 0.26:
#
#     benchmarks/offline.sh WHEELS ARCHIVES MODULE [FLAGS of the benchmark]
#     benchmarks/offline.sh wheels archives recipes --scale full --budget 540
#     benchmarks/offline.sh wheels archives headline --seeds 10 --budget 540
#
# WHEELS holds the other packages (see gpu.sh), ARCHIVES holds CIFAR-10 as *.tgz. The packages and the data are kept in
# runs/, and both benchmarks continue where an earlier call stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
wheels=$1 archives=$2 module=$3

[ -d runs/site ] || python3 -m pip install --quiet --no-index --no-deps --target runs/site "$wheels"/*.whl
export FASTAI_HOME="$PWD/runs/fastai" PYTHONPATH="$PWD/runs/site${PYTHONPATH:+:$PYTHONPATH}"
[ -d "$FASTAI_HOME/data/cifar10" ] || {
    mkdir -p "$FASTAI_HOME/data"
    for archive in "$archives"/*.tgz; do tar -xzf "$archive" -C "$FASTAI_HOME/data"; done
}
python3 -m "benchmarks.$module" "${@:4}"
