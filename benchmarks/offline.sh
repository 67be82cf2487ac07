#!/usr/bin/env bash
# The headline on a bare GPU machine without a network that has Python 3.12, torch 2.11 and torchvision 0.26:
#
#     benchmarks/offline.sh WHEELS ARCHIVES [SECONDS] [FLAGS of benchmarks.headline]
#
# WHEELS holds the other packages, fetched where there is a network:
#     pip download -r requirements.txt torch==2.11.* torchvision==0.26.* -d WHEELS --only-binary=:all: \
#         --python-version 3.12 --platform manylinux_2_28_x86_64
# less those of torch, torchvision and CUDA. ARCHIVES holds CIFAR-10 as *.tgz. Call it again to go on.
set -euo pipefail
cd "$(dirname "$0")/.."
wheels=$1 archives=$2 seconds=${3:-540}

[ -d runs/venv ] || {
    python3 -m venv --system-site-packages runs/venv
    runs/venv/bin/pip install --quiet --no-index --no-deps "$wheels"/*.whl
}
export FASTAI_HOME="$PWD/runs/fastai"
runs/venv/bin/python -m benchmarks.headline --archives "$archives" --budget "$seconds" "${@:4}"
