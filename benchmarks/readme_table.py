"""The results in README.md and docs/RESULTS.md, made from the JSON files of the benchmarks.

    python -m benchmarks.readme_table

writes them between the two marks in each file. A test fails if they differ from the JSON files.
"""

import json
from pathlib import Path
from statistics import mean

from benchmarks.measured import BENCHMARKS, table
from benchmarks.report import RESULTS
from data.common.files import replacing

ROOT = Path(__file__).parent.parent
README, ALL_RESULTS = ROOT / "README.md", ROOT / "docs/RESULTS.md"
REFERENCES = Path(__file__).parent / "references.json"
START, END = "<!-- results: written by `python -m benchmarks.readme_table` -->", "<!-- end of results -->"
IN_README = ["data_loading", "train_step_cuda", "lr_finder_cifar10", "heatmaps", "calibration"]


def render_readme(results: Path = RESULTS) -> str:
    """Return Markdown of the accuracy at full size and the most important comparisons."""
    return "\n\n".join(filter(None, [_headline(results), table(results, IN_README)]))


def render_results(results: Path = RESULTS) -> str:
    """Return Markdown of the comparison at small scale and the results of all benchmarks."""
    return "\n\n".join(filter(None, [_small_scale(results / "small_scale.json"), table(results, list(BENCHMARKS))]))


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


def replaced(text: str, figures: str, start: str = START, end: str = END) -> str:
    """Return `text` with `figures` between the marks `start` and `end`.

    Raises:
        ValueError: the text does not have each mark exactly once.
    """
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"the file must hold {start} and {end}, each once")
    before, rest = text.split(start)
    return f"{before}{start}\n\n{figures}\n\n{end}{rest.split(end)[1]}"


def main() -> None:
    for path, render in ((README, render_readme), (ALL_RESULTS, render_results)):
        with replacing(path) as draft:
            draft.write_text(replaced(path.read_text(encoding="utf-8"), render()), encoding="utf-8")


if __name__ == "__main__":
    main()
