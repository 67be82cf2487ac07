"""The README's results, made from the JSON files of the benchmarks. A test fails if the two differ.

python -m benchmarks.readme_table      # writes them between the two marks in README.md
"""

import json
from pathlib import Path
from statistics import mean

from benchmarks.report import RESULTS
from data.common.files import replacing

README = Path(__file__).parent.parent / "README.md"
REFERENCES = Path(__file__).parent / "references.json"
START, END = "<!-- results: written by `python -m benchmarks.readme_table` -->", "<!-- end of results -->"


def render(results: Path = RESULTS) -> str:
    """Return the tables as Markdown: the headline, the comparison at small scale, and the other results."""
    parts = [_headline(results), _small_scale(results / "small_scale.json"), _others(results)]
    return "\n\n".join(filter(None, parts))


def _others(results: Path) -> str:
    """Return one line per benchmark with a JSON file."""
    lines = [
        f"| {text(json.loads(path.read_text()))} | `{COMMANDS.get(name, name)}` |"
        for name, text in OTHERS.items()
        if (path := results / f"{name}.json").exists()
    ]
    return (
        "\n".join(["| measured on two cores, where no GPU is named | `python -m benchmarks.…` |", "|---|---|", *lines])
        if lines
        else ""
    )


def _loading(report: dict) -> str:
    rows = report["contenders"]
    ratios = ", ".join(f"{rows[name]['ours_is_by_clock']:.3g}× {name}" for name in rows if rows[name]["wanted"])
    return f"loading in one process: {rows['this project']['clock']:,.0f} images/s, {ratios}"


def _photos(report: dict) -> str:
    return f"an epoch of {report['photos']:,} photographs of 640×480: peak {report['peak_bytes'] / 1e9:.2f} GB"


def _step(report: dict) -> str:
    (ours, _), *others = report["ratios"].items()
    return f"a training step, {ours}: {'; '.join(f'{ratio:.2f} of a {name}' for name, ratio in others)}"


def _launch(report: dict) -> str:
    ms = report["fastest"]
    speeds = f"{ms['app']:.2f} ms beside {ms['plain loop']:.2f}"
    return (
        f"a step that is all launches (a net of {report['options']['width']} to 32 channels): {speeds} of a plain loop"
    )


def _gpu_step(report: dict) -> str:
    rows = [f"{name}: {r['images_per_second']:,.0f} images/s" for name, r in report["rows"].items()]
    return f"training on one {report['machine']['gpu']}, {'; '.join(rows)}"


def _decoding(report: dict) -> str:
    rates = f"{report['ours']:,.0f} images/s beside {report['former']:,.0f} of Pillow in threads"
    return f"decoding the PNG files of CIFAR-10: {rates}"


def _photographs(report: dict) -> str:
    rows = [
        f"{size} pixels {row['ratio']:.1f}× and {row['mean_difference']:.2f} of 255"
        for size, row in report["sizes"].items()
    ]
    what = f"JPEG photographs of {report['width'] * report['height'] / 1e6:.0f} megapixels to squares"
    answers = f"the classes that a net gives them are the same for {report['accuracy']['equal']:.0%}"
    return f"{what}, beside Pillow's full decoding, and mean difference: {'; '.join(rows)}; {answers}"


def _start(report: dict) -> str:
    return "starting: " + "; ".join(f"{name} after {least:.2f} s" for name, least in report["fastest"].items())


def _exactness(report: dict) -> str:
    device = report["machine"]["gpu"] or report["machine"]["cpu"]
    words = {True: "the same", False: "not the same"}
    rows = [f"{way}: {words[r['repeated']]} and {words[r['resumed']]}" for way, r in report["rows"].items()]
    return f"a second run and a resumed one, to the last bit, on {device}: {'; '.join(rows)}"


def _folders(report: dict) -> str:
    rows = [
        f"{int(count):,} files {row['listing']['seconds']:.2g} s and {row['checking']['seconds']:.3g} s, "
        f"{row['checking']['peak_bytes'] / 1e6:,.0f} MB"
        for count, row in report["made"].items()
    ]
    named = [f"{name} checked in {row['seconds']:.0f} s" for name, row in report.get("named", {}).items()]
    return f"listing and checking a folder, and the largest process: {'; '.join(rows + named)}"


def _serve(report: dict) -> str:
    codes = ", ".join(f"{count:,} with {code}" for code, count in sorted(report["codes"].items()))
    early, late = (report[name] / 1e6 for name in ("memory_after_a_tenth", "memory_at_the_end"))
    return (
        f"the page of `serve`: {report['requests']:,} requests at 20 at once answered, {codes}; memory {early:,.0f} MB "
        f"after a tenth of them and {late:,.0f} MB at the end"
    )


def _predict(report: dict) -> str:
    clock, process = (report["ratios"][kind] for kind in ("clock", "process"))
    what = f"answers about {report['images']:,} photographs, beside decoding and forward passes alone"
    memory = f"memory at {report['many']:,} is {report['growth']:.2f} of that"
    return f"{what}: {clock:.2f} by the clock, {process:.2f} of the processor's time; {memory}"


def _finder(report: dict) -> str:
    rows = [f"{name} {row['spread']:.2f} and {row['mean_loss']:.4f}" for name, row in report["summary"].items()]
    settings = report["settings"]
    what = f"the rate for {settings['data']} of {settings['size']} pixels over {settings['seeds']} seeds"
    return f"{what}, its 90th over its 10th percentile and the loss of a run with it: {'; '.join(rows)}"


def _finder_table(report: dict) -> str:
    rows = "; ".join(f"{name}: {_finder_row(row)}" for name, row in report["summaries"].items())
    return f"the recommended peak, and the accuracy of a run with it: {rows or 'not measured yet'}"


def _finder_row(row: dict) -> str:
    best = f"best of a grid: {row['best']:.2g}, {row['accuracy_best']:.1%}, a factor of {row['factor']:.1f}"
    default = f"default: {row['default']:.2g}, {row['accuracy_default']:.1%}"
    return f"{row['recommended']:.2g}, {row['accuracy_recommended']:.1%} ({best}; {default})"


def _finder_cost(report: dict) -> str:
    return f"the finder costs {100 * report['bookkeeping']:.1f}% more than its steps"


def _maps(report: dict) -> str:
    rows = [f"{name} {cost:.2f}" for name, cost in report["forward_passes"].items() if name != "forward pass"]
    return f"heatmaps, in forward passes: {', '.join(rows)}"


def _heatmaps(report: dict) -> str:
    """Return the line of the heatmaps, with a comparison with the usual layer of Grad-CAM."""
    rows = [
        f"{name} {row['passed']['value']:.0%} of {row['passed']['count']:,} and {row['pointed']['value']:.1%} "
        f"of {row['pointed']['count']}"
        for name, row in report["summary"].items()
    ]
    what = f"maps of test images of {report['data']} that beat equal controls (p ≤ 0.05), and mass on the right quarter"
    return f"{what} of mosaics: {'; '.join(rows)}"


def _calibration(report: dict) -> str:
    """Return the line of the calibration error on each half of the images, with the temperature of the other half."""
    rows = [f"{row['ece_before']:.3f} → {row['ece_after']:.3f}" for row in report["halves"]]
    unsure = [
        f"{row['after']['answered']:.0%}, {row['after']['accuracy']['value']:.1%} right" for row in report["halves"]
    ]
    halves = f"on either half of the validation images of {report['data']}, with the temperature of the other half"
    return f"calibration error {halves}: {'; '.join(rows)}; answered from 90% sure on: {'; '.join(unsure)}"


def _checkpoint(report: dict) -> str:
    return f"checkpoints take {report['shares']['blocked']:.2%} of the time of an epoch of CIFAR-10's size"


OTHERS = {
    "data_loading": _loading,
    "photo_memory": _photos,
    "train_step": _step,
    "train_step_launch": _launch,
    "train_step_cuda": _gpu_step,
    "decoding": _decoding,
    "photographs": _photographs,
    "start": _start,
    "folders": _folders,
    "predict": _predict,
    "serve": _serve,
    "exactness": _exactness,
    "lr_finder_cifar10": _finder,
    "lr_finder_digits": _finder,
    "lr_finder_cost": _finder_cost,
    "lr_table": _finder_table,
    "gradcam": _maps,
    "heatmaps": _heatmaps,
    "calibration": _calibration,
    "checkpoint": _checkpoint,
}
COMMANDS = {  # commands that have arguments besides the name
    "start": "start RUN",
    "train_step_launch": "train_step --scene launch",
    "train_step_cuda": "train_step --scene cuda",
    "heatmaps": "heatmaps RUN",
    "calibration": "calibration RUN",
    "serve": "serve RUN",
    "lr_finder_cifar10": "lr_finder",
    "lr_finder_digits": "lr_finder --data digits",
}


def _headline(results: Path) -> str:
    """Return the table at full size: this project's recipes, and results that others measured or published."""
    references = json.loads(REFERENCES.read_text(encoding="utf-8"))
    lines = [*_own_rows(results / "headline.json"), *map(_reference_row, references["rows"])]
    head = "| CIFAR-10, 32 pixels, test images | epochs | accuracy | with six views | runs | hardware, time of a run |"
    table = "\n".join([head, "|---|---|---|---|---|---|", *lines])
    return f"{table}\n\n{_held_out(results / 'recipes_full_sgd.json')}".strip()


def _own_rows(path: Path) -> list[str]:
    if not path.exists():
        command = "`python -m benchmarks.headline`"
        return [f"| **this project's default** ({command}) | 24 | not measured yet | | 0 | needs a GPU |"]
    report = json.loads(path.read_text())
    names = {"default": "**this project's default**", "sgd": "the same with `--optimizer sgd`"}
    return [_own_row(report, recipe, name) for recipe, name in names.items() if recipe in report["summary"]]


def _own_row(report: dict, recipe: str, name: str) -> str:
    group, machine = report["summary"][recipe], report["machine"]
    seconds = mean(run["seconds"] for run in report["runs"] if run["recipe"] == recipe)
    figures = " | ".join(_percent(group[figure]) for figure in ("accuracy", "accuracy_tta"))
    hardware = f"{machine['gpu'] or machine['cpu']}, {seconds:,.0f} s"
    return f"| {name} | 24 | {figures} | {group['runs']} | {hardware} |"


def _held_out(path: Path) -> str:
    """Return the sentence about the choice of the default on held-out training images."""
    if not path.exists():
        return ""
    rows = json.loads(path.read_text())["summary"]
    muon, sgd = rows["muon"], rows["default"]
    return (
        f"The default was chosen on 10,000 held-out training images: {_percent(muon)} with Muon and "
        f"{_percent(sgd)} with SGD ({muon['runs']} seeds each)."
    )


def _reference_row(row: dict) -> str:
    views = "" if row["views"] is None else f"{row['views']:.2f}%"
    return (
        f"| {row['what']} | {row['epochs']} | {row['plain']:.2f}% | {views} | {row['runs']} | {row['hardware'] or ''} |"
    )


def _small_scale(path: Path) -> str:
    goal = "At small scale (5,000 training and 5,000 test images, 16 pixels, 12 epochs)"
    if not path.exists():
        return f"{goal}: **not measured**. `python -m benchmarks.small_scale` measures it on a CPU."
    report = json.loads(path.read_text())
    if "note" in report:
        goal += f", {report['note']}"
    missing = report["planned"] - len(report["runs"])
    note = f"\n\n{missing} of {report['planned']} runs are still to come." if missing else ""
    return f"{goal}, on {report['machine']['cpu']}:\n\n{_table(report)}{note}"


def _table(report: dict) -> str:
    """Return a table with one line per recipe: mean and deviation over its seeds, in percent."""
    figures = {"accuracy": "accuracy", "accuracy_tta": "with six views"}
    shown = [f for f in figures if all(f in group for group in report["summary"].values())]
    lines = ["| recipe | seeds | " + " | ".join(figures[f] for f in shown) + " |", "|---|---|" + "---|" * len(shown)]
    for recipe, group in report["summary"].items():
        lines.append(f"| {recipe} | {group['runs']} | " + " | ".join(_percent(group[f]) for f in shown) + " |")
    return "\n".join(lines)


def _percent(spread: dict) -> str:
    deviation = "" if spread["deviation"] is None else f" ± {100 * spread['deviation']:.2f}"
    return f"{100 * spread['mean']:.2f}%{deviation}"


def replaced(readme: str, table: str) -> str:
    """Return the text `readme` with `table` between the marks.

    Raises:
        ValueError: the text does not have each mark exactly once.
    """
    if readme.count(START) != 1 or readme.count(END) != 1:
        raise ValueError(f"{README.name} must hold {START} and {END}, each once")
    before, rest = readme.split(START)
    return f"{before}{START}\n\n{table}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    with replacing(README) as draft:
        draft.write_text(replaced(README.read_text(encoding="utf-8"), render()), encoding="utf-8")


if __name__ == "__main__":
    main()
