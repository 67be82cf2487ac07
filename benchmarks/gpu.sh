#!/usr/bin/env bash
# All that needs a GPU, in one call of less than four minutes, on a bare machine without a network that has Python 3.12,
# torch 2.11, torchvision 0.26, numpy, Pillow, OpenCV, scikit-learn, pandas, typer, rich and pytest:
#
#     benchmarks/gpu.sh WHEELS ARCHIVES OUT
#
# WHEELS holds what else requirements.txt needs (fastai fastcore fastdownload fasttransform fastprogress plum-dispatch
# beartype albumentations albucore stringzilla simsimd pydantic pydantic-core annotated-types typing-inspection; for all
# tests also torch-lr-finder and a wheel of grad-cam), fetched where there is a network:
#     pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 -d WHEELS NAME…
# ARCHIVES holds CIFAR-10 as *.tgz. OUT gets the figures as JSON and every log. LIMIT is the time in seconds (230); each
# step gets a part of it, and one that fails or takes too long does not keep the next from running.
# REHEARSE=1 runs the same steps on tiny data and without a GPU, with ten times the time.
set -uo pipefail
cd "$(dirname "$0")/.."
wheels=$1 archives=$2 out=$3 limit=${LIMIT:-230} stretch=1
work=runs/gpu
rm -rf "$work" && mkdir -p "$work" "$out"
export PYTHONUNBUFFERED=1 FASTAI_HOME="$PWD/$work/fastai" PYTHONPATH="$PWD/$work/site${PYTHONPATH:+:$PYTHONPATH}"
python=${PYTHON:-python3} data=cifar10 scene=cuda size=32 flags="--epochs 24" small="--data cifar10" find="" seconds=""
if [ "${REHEARSE:-}" ]; then
    limit=${LIMIT:-3000} stretch=10
    data=digits scene=launch size=8 flags="--data digits --size 8 --limit 256 --batch-size 16 --epochs 2"
    small="--data digits --size 8 --limit 64 --batch-size 16" find="--data digits --size 8 --steps 20"
fi

step() { # NAME SECONDS COMMAND…: at most that long and no longer than is left; the log's end is shown
    local name=$1 most=$(($2 * stretch)) begun=$SECONDS left=$((limit - SECONDS))
    shift 2
    if [ "$left" -lt 5 ]; then
        echo "== $name: left out, no time left"
        return
    fi
    timeout --kill-after=5 "$((most < left ? most : left))" "$@" >"$work/$name.log" 2>&1
    local code=$?
    seconds+="$name $((SECONDS - begun)) s (code $code)"$'\n'
    echo "== $name: $((SECONDS - begun)) s, code $code"
    tail -n 14 "$work/$name.log"
}

install() {
    [ -z "$(ls "$wheels"/*.whl 2>/dev/null)" ] ||
        "$python" -m pip install -q --no-index --no-deps --no-compile --target "$work/site" "$wheels"/*.whl
}
unpack() { # all archives at once, then whatever is left of the installation
    mkdir -p "$FASTAI_HOME/data"
    for archive in "$archives"/*.tgz; do
        [ -e "$archive" ] && tar -xzf "$archive" -C "$FASTAI_HOME/data" &
    done
    wait
}
export -f install unpack
export python wheels archives work

step install 60 bash -c install
step unpack 60 bash -c unpack
step machine 60 "$python" - <<'EOF'
import torch, numpy, fastai, albumentations
print("torch", torch.__version__, "numpy", numpy.__version__, "fastai", fastai.__version__, albumentations.__version__)
print("GPU:", torch.cuda.get_device_name() if torch.cuda.is_available() else "none")
EOF
step decode 60 "$python" -c "
from data.decoding.cache import load_pixels
from data import open_source
print(load_pixels(open_source('$data'), $size, 'memory').shape)"
step fit 90 bash -c "time '$python' app.py fit $flags --out $work/run"
step evaluate 40 bash -c "time '$python' app.py evaluate $work/run --tta"
step train_step 75 "$python" -m benchmarks.train_step --scene "$scene" --rounds 3
step exactness 60 "$python" -m benchmarks.exactness $small --budget 40
step explain 40 bash -c "time '$python' app.py explain $work/run"
step lr_find 40 bash -c "time '$python' app.py lr-find $find --out $work/lr"
[ "$data" = cifar10 ] && step decoding 30 "$python" -m benchmarks.decoding
beside=$("$python" -c "import xdist" 2>/dev/null && echo "-n 12") # tests side by side, where that plug-in is there
step tests 600 "$python" -m pytest -q ${TESTS:-tests --ignore tests/test_notebooks.py $beside} \
    --continue-on-collection-errors

for name in "train_step_$scene" exactness decoding; do
    [ -e "benchmarks/results/$name.json" ] && cp "benchmarks/results/$name.json" "$out/"
done
cp "$work"/run/{metrics.json,history.csv,recipe.json} "$out/" 2>/dev/null
tar -czf "$out/logs.tgz" -C "$work" $(cd "$work" && ls -- *.log)
echo "== all: $SECONDS s"
printf '%s' "$seconds"
