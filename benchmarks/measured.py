"""The rows of the tables of results, made from the JSON files of the benchmarks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Rows = Iterator["Row"]


@dataclass(frozen=True)
class Row:
    """One measured claim.

    Attributes:
        what: the quantity.
        ours: the figure of this project, with its unit.
        peer: the figure that it is compared with, with its unit and where it comes from; empty where there is none.
        ratio: how many times better this project is; empty where there is no peer.
    """

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""


def _times(value: float) -> str:
    return f"{value:.3g}×"


def _loading(report: dict) -> Rows:
    rows = report["contenders"]
    ours = f"{rows['this project']['clock']:,.0f} images/s"
    for name, row in rows.items():
        if row["wanted"]:
            ratio = _times(row["ours_is_by_clock"])
            yield Row("loading and augmenting, one process", ours, f"{row['clock']:,.0f} images/s, {name}", ratio)


def _photos(report: dict) -> Rows:
    what = f"peak memory of an epoch of {report['photos']:,} photographs of 640×480"
    yield Row(what, f"{report['peak_bytes'] / 1e9:.2f} GB")


def _step(report: dict) -> Rows:
    speeds = {name: f"{median(values):.0f} images/s" for name, values in report["images_per_second"].items()}
    (ours, _), *others = report["ratios"].items()
    for name, ratio in others:
        yield Row(f"training step on a CPU, {ours}", speeds[ours], f"{speeds[name]}, {name}", _times(ratio))


def _launch(report: dict) -> Rows:
    ms, width = report["fastest"], report["options"]["width"]
    what = f"step of a tiny net (channels from {width} to 32), which is all Python"
    yield Row(
        what, f"{ms['app']:.2f} ms", f"{ms['plain loop']:.2f} ms, plain loop", _times(1 / report["ratio_of_fastest"])
    )


def _gpu_step(report: dict) -> Rows:
    rows, gpu = report["rows"], report["machine"]["gpu"]
    for batch in (256, 512):
        plain = rows[f"plain loop, batch {batch}"]["images_per_second"]
        for way in ("graph", "eager"):
            row = rows[f"{way}, batch {batch}"]
            what = f"training on one {gpu}, {way}, batch {batch}"
            speed, peer = f"{row['images_per_second']:,.0f} images/s", f"{plain:,.0f} images/s, plain loop"
            yield Row(what, speed, peer, _times(row["of_plain_loop"]))


def _decoding(report: dict) -> Rows:
    peer = f"{report['former']:,.0f} files/s, Pillow in threads"
    yield Row(
        "decoding PNG files of CIFAR-10",
        f"{report['ours']:,.0f} files/s",
        peer,
        _times(report["ours"] / report["former"]),
    )


def _photographs(report: dict) -> Rows:
    megapixels = report["width"] * report["height"] / 1e6
    for size, row in report["sizes"].items():
        what = (
            f"a JPEG photograph of {megapixels:.0f} megapixels to {size} pixels (mean difference "
            f"{row['mean_difference']:.2f} of 255)"
        )
        yield Row(what, f"{row['ours_ms']:.0f} ms", f"{row['full_ms']:.0f} ms, full decoding", _times(row["ratio"]))


def _start(report: dict) -> Rows:
    for name, least in report["fastest"].items():
        yield Row(f"start-up of {name}", f"{least:.2f} s")


def _exactness(report: dict) -> Rows:
    device, words = report["machine"]["gpu"] or report["machine"]["cpu"], {True: "equal", False: "not equal"}
    for way, row in report["rows"].items():
        yield Row(f"a repeated run, bit for bit ({way}, {device})", words[row["repeated"]])
        yield Row(f"a resumed run, bit for bit ({way}, {device})", words[row["resumed"]])


def _folders(report: dict) -> Rows:
    for count, row in report["made"].items():
        listed, checked, peak = row["listing"]["seconds"], row["checking"]["seconds"], row["checking"]["peak_bytes"]
        figures = f"{listed:.2g} s listed, {checked:.3g} s checked, {peak / 1e6:,.0f} MB"
        yield Row(f"folder of {int(count):,} images", figures)
    for name, row in report.get("named", {}).items():
        yield Row(f"`check` of {name}", f"{row['seconds']:.0f} s")


def _serve(report: dict) -> Rows:
    codes = ", ".join(f"{count:,} × {code}" for code, count in sorted(report["codes"].items()))
    early, half, late = (f"{report['memory'][tenth] / 1e6:,.0f} MB" for tenth in (0, 4, 9))
    yield Row(f"answers of `serve` to {report['requests']:,} uploads, 20 at once", codes)
    yield Row("memory of `serve` after a tenth of them, half, and all", f"{early}, {half}, {late}")


def _predict(report: dict) -> Rows:
    clock = report["ratios"]["clock"]
    what = f"`predict` of {report['images']:,} photographs"
    yield Row(what, f"{clock:.2f} of the time", "1, decoding and forward passes alone", _times(1 / clock))
    yield Row(
        f"peak memory of `predict`, {report['many']:,} images beside {report['images']:,}", f"{report['growth']:.2f}×"
    )


def _processes(report: dict) -> Rows:
    for count, row in report["by_processes"].items():
        change = f"{100 * row['difference']:+.2f} ± {100 * row['error_of_difference']:.2f} points"
        what = f"accuracy on digits with {count} processes, {len(row['accuracies'])} seeds"
        yield Row(what, f"{100 * row['mean']:.2f}% ± {100 * row['deviation']:.2f}", "one process", change)


def _finder(report: dict) -> Rows:
    settings, (ours, *others) = report["settings"], report["summary"].items()
    where = f"{settings['data']}, {settings['size']} pixels, {settings['seeds']} seeds"
    for name, row in others:
        what = f"spread of the found rate (90th over 10th percentile), {where}"
        yield Row(
            what, f"{ours[1]['spread']:.2f}", f"{row['spread']:.2f}, {name}", _times(row["spread"] / ours[1]["spread"])
        )
        what = f"loss after training with the found rate, {where}"
        yield Row(what, f"{ours[1]['mean_loss']:.3f}", f"{row['mean_loss']:.3f}, {name}")


def _finder_table(report: dict) -> Rows:
    for name, row in report["summaries"].items():
        ours = f"{row['accuracy_recommended']:.1%} at {row['recommended']:.2g}"
        peer = f"{row['accuracy_best']:.1%} at {row['best']:.2g}, best of a grid"
        yield Row(f"accuracy with the found peak rate, {name}", ours, peer, f"rates differ {row['factor']:.1f}×")


def _finder_cost(report: dict) -> Rows:
    yield Row("time of the finder beyond its training steps", f"{100 * report['bookkeeping']:.1f}%")


def _maps(report: dict) -> Rows:
    passes = report["forward_passes"]
    for layer in ("layer4", "layer3"):
        ours, peer = passes[f"grad_cam, {layer}"], passes[f"pytorch-grad-cam, {layer}"]
        yield Row(
            f"Grad-CAM at {layer}, in forward passes",
            f"{ours:.2f}",
            f"{peer:.2f}, pytorch-grad-cam",
            _times(peer / ours),
        )


def _heatmaps(report: dict) -> Rows:
    (_, ours), (name, peer) = report["summary"].items()
    for figure, what in (
        ("passed", "heatmaps that beat equal controls (p ≤ 0.05)"),
        ("pointed", "mass of a map on the right one of four images"),
    ):
        count = f"{ours[figure]['count']:,} images of {report['data']}"
        mine, theirs = ours[figure]["value"], peer[figure]["value"]
        yield Row(f"{what}, {count}", f"{mine:.1%}", f"{theirs:.1%}, {name}", _times(mine / theirs))


def _calibration(report: dict) -> Rows:
    """Yield the calibration error of each half of the test images, with the temperature of the other half."""
    for number, row in enumerate(report["halves"], 1):
        before, after, sure = row["ece_before"], row["ece_after"], row["after"]
        what = f"calibration error after the temperature, {report['data']}, half {number}"
        yield Row(what, f"{after:.3f}", f"{before:.3f}, before it", _times(before / after))
        what = f"accuracy of answers that are at least 90% sure ({sure['answered']:.0%} of the images), half {number}"
        yield Row(what, f"{sure['accuracy']['value']:.1%}")


def _checkpoint(report: dict) -> Rows:
    yield Row("time that training waits for checkpoints", f"{report['shares']['blocked']:.2%}")


@dataclass(frozen=True)
class Benchmark:
    """A benchmark whose JSON file is read.

    Attributes:
        rows: what makes its rows.
        arguments: of its command, after its name.
        script: its module, where that is not the name of the file.
    """

    rows: Callable[[dict], Rows]
    arguments: str = ""
    script: str | None = None


BENCHMARKS = {  # by the names of the JSON files
    "data_loading": Benchmark(_loading),
    "photo_memory": Benchmark(_photos),
    "train_step": Benchmark(_step),
    "train_step_launch": Benchmark(_launch, "--scene launch", "train_step"),
    "train_step_cuda": Benchmark(_gpu_step, "--scene cuda", "train_step"),
    "decoding": Benchmark(_decoding),
    "photographs": Benchmark(_photographs),
    "start": Benchmark(_start, "RUN"),
    "folders": Benchmark(_folders),
    "predict": Benchmark(_predict),
    "serve": Benchmark(_serve, "RUN"),
    "processes": Benchmark(_processes),
    "exactness": Benchmark(_exactness),
    "lr_finder_cifar10": Benchmark(_finder, "", "lr_finder"),
    "lr_finder_digits": Benchmark(_finder, "--data digits", "lr_finder"),
    "lr_finder_cost": Benchmark(_finder_cost),
    "lr_table": Benchmark(_finder_table),
    "gradcam": Benchmark(_maps),
    "heatmaps": Benchmark(_heatmaps, "RUN"),
    "calibration": Benchmark(_calibration, "RUN"),
    "checkpoint": Benchmark(_checkpoint),
}


def table(results: Path, names: list[str]) -> str:
    """Return a Markdown table of these benchmarks, without those that have no JSON file in `results`."""
    lines = [_line(row, name) for name in names for row in _rows_of(results / f"{name}.json", name)]
    head = "| what | this project | compared with | times better | `python -m benchmarks.…` |"
    return "\n".join([head, "|---|---|---|---|---|", *lines]) if lines else ""


def _rows_of(path: Path, name: str) -> list[Row]:
    return list(BENCHMARKS[name].rows(json.loads(path.read_text()))) if path.exists() else []


def _line(row: Row, name: str) -> str:
    command = f"{BENCHMARKS[name].script or name} {BENCHMARKS[name].arguments}".strip()
    return f"| {row.what} | {row.ours} | {row.peer} | {row.ratio} | `{command}` |"
