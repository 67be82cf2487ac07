"""A table of labels as a source: CSV and Parquet, with and without splits; an error names the row."""

import sys

import pandas as pd
import pytest
import torch
from PIL import Image

from data import DataError, open_source
from tests.data.small_loaders import dls_of

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def table(make_folder, tmp_path):
    """Write a table with these rows, and a folder pictures with the images 000.png to 039.png."""
    make_folder({".": 40})

    def write(rows, columns=("file", "label", "split"), name="labels.csv"):
        frame = pd.DataFrame(rows, columns=list(columns[: len(rows[0])] if rows else columns))
        path = tmp_path / name
        frame.to_csv(path, index=False) if name.endswith(".csv") else frame.to_parquet(path)
        return path

    return write


def row(i, label, *split):
    return (f"pictures/{i:03d}.png", label, *split)


ROWS = [row(i, "NA" if i % 2 else "7", "train") for i in range(10)] + [row(i, "7", "test") for i in range(10, 14)]


def test_labels_are_those_of_the_table_and_folders_mean_nothing(table):
    path = table(ROWS)
    source = open_source(path)
    assert (source.name, source.classes) == (
        str(path),
        ["7", "NA"],
    )  # text, although pandas would read a number and a missing value
    assert [(i.path, i.label) for i in source.train] == [(path.parent / f, label) for f, label, _ in ROWS[:10]]
    assert [item.label for item in source.valid] == ["7"] * 4
    assert (source.size, source.mirror, source.crop) == (12, "alternate", 1 / 8)


def test_batches_are_the_images_of_the_rows(table):
    dls = dls_of(table(ROWS), batch_size=10, cutout=0, crop=0, mirror="none")
    x, y = dls.one_batch()
    chosen = [dls.source.train[i] for i in dls.train.get_idxs()]
    assert [dls.vocab[i] for i in y] == [item.label for item in chosen]
    assert torch.equal(dls.test_dl([item.path for item in chosen], bs=10).one_batch()[0], x)


@pytest.mark.parametrize("value", ["valid", "val", "validation", "dev", "Valid"])
def test_test_images_are_left_alone_where_there_are_validation_images(table, value):
    source = open_source(table([*ROWS, row(20, "NA", value)]))
    assert [item.label for item in source.valid] == ["NA"]


@pytest.mark.parametrize("split", [(), ("train",)], ids=["no column", "all train"])
def test_a_fifth_of_each_class_is_held_out_where_nothing_else_is_said(table, split):
    rows = [row(i, "a" if i < 20 else "b", *split) for i in range(30)]
    source = open_source(table(rows), seed=1)
    assert sorted(item.label for item in source.valid) == ["a"] * 4 + ["b"] * 2
    assert len(source.train) == 24


def test_the_fingerprint_sees_the_labels_and_not_the_place(table, tmp_path):
    one = open_source(table(ROWS))
    other = open_source(table([*ROWS[:-1], row(13, "NA", "test")], name="other.csv"))
    (tmp_path / "pictures").rename(tmp_path / "moved")
    (tmp_path / "there").mkdir()
    (tmp_path / "moved").rename(tmp_path / "there" / "pictures")
    moved = open_source((tmp_path / "labels.csv").rename(tmp_path / "there" / "labels.csv"))
    assert one.fingerprint == moved.fingerprint != other.fingerprint
    assert one.stamp != moved.stamp


def test_a_fault_of_a_row_is_told_with_its_line(table):
    for wrong, words in {
        ("pictures/999.png", "7", "train"): "pictures/999.png cannot be found",
        ("pictures", "7", "train"): "pictures is not a file",
        row(3, "", "train"): "the label is empty; name the class of pictures/003.png",
        row(3, "7", "Trian"): "unknown split 'Trian'; choose from train, training, valid, val, validation, dev, test",
        row(3, "7", ""): "unknown split ''",
    }.items():
        with pytest.raises(DataError) as caught:
            open_source(table([*ROWS[:5], wrong, *ROWS[5:]]))
        assert "labels.csv, line 7: " in str(caught.value)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (ROWS, ("path", "label", "split"), "no column file; the columns must be file, label"),
        (ROWS, ("file", "class", "split"), "no column label"),
        ([row(i, "a", "train") for i in range(5)], ("file", "label", "split"), "only one class (a)"),
        ([row(i, "a", "valid") for i in range(5)], ("file", "label", "split"), "no images to train on"),
        ([], ("file", "label", "split"), "no images to train on"),
        ([*ROWS, row(20, "c", "test")], ("file", "label", "split"), "the class c, which no training image has"),
    ],
)
def test_a_table_that_cannot_be_used_is_explained(table, rows, columns, words):
    with pytest.raises(DataError) as caught:
        open_source(table(rows, columns))
    assert words in str(caught.value)
    assert "labels.csv" in str(caught.value)


def test_empty_lines_are_skipped_and_counted(table):
    path = table(ROWS)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "", *lines[3:], "", ""]))
    assert len(open_source(path).train) == 10
    path.write_text("\n".join([*lines[:3], "", "pictures/003.png"]))
    with pytest.raises(DataError, match="line 5: unknown split ''"):
        open_source(path)


@pytest.mark.parametrize(
    "content", [b"", b"file,label\na.png,cat,black\n", b"file,label\na,b,c,d,e\nf,g\n\x00", b"\xff\xfe\x00\xd8"]
)
def test_a_file_that_is_no_table_is_named(tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv") as caught:
        open_source(tmp_path / "labels.csv")
    assert "\n" not in str(caught.value)


def test_a_damaged_image_is_named(table, tmp_path):
    path = table(ROWS)
    (tmp_path / "pictures" / "002.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"pictures/002\.png: not a readable image"):
        dls_of(path)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    (tmp_path / "labels.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="pip install pyarrow"):
        open_source(tmp_path / "labels.parquet")


def test_parquet_is_read_like_csv(table):
    pytest.importorskip("pyarrow")
    csv, parquet = open_source(table(ROWS)), open_source(table(ROWS, name="labels.parquet"))
    assert (parquet.train, parquet.valid, parquet.fingerprint) == (csv.train, csv.valid, csv.fingerprint)
    numbers = [(f, 7 if label == "7" else 8, split) for f, label, split in ROWS]
    assert open_source(table(numbers, name="labels.parquet")).classes == ["7", "8"]
    with pytest.raises(DataError, match=r"labels\.parquet, row 6: unknown split 'x'"):
        open_source(table([*ROWS[:5], row(5, "7", "x")], name="labels.parquet"))


def test_images_of_any_format_may_be_named(table, tmp_path):
    Image.new("RGB", (12, 12), "red").save(tmp_path / "without_suffix", "jpeg")
    path = table([*ROWS, ("without_suffix", "7", "train"), (str(tmp_path / "without_suffix"), "NA", "train")])
    assert len(dls_of(path).train_ds) == 12
