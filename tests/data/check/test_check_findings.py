"""Each kind of problem is reported with its files; a folder without problems has no findings."""

import shutil

import pytest
from PIL import Image

from data.check.finding import KINDS, LEVELS, Case, finding
from data.check.report import check_data
from tests.data.check.check_pictures import picture


def test_a_clean_folder_has_no_findings(clean, found):
    assert found(clean) == {}


def empty(root):
    (root / "train/cat/x.jpg").write_bytes(b"")
    return "empty", ["train/cat/x.jpg"], "0 bytes"


def no_image(root):
    (root / "train/cat/x.jpg").write_text("hello")
    return "no-image", ["train/cat/x.jpg"], "cannot identify"


def cut_off(root):
    data = (root / "train/cat/1.png").read_bytes()
    (root / "train/cat/x.png").write_bytes(data[: len(data) // 2])
    return "damaged", ["train/cat/x.png"], "truncated"


def cut_off_jpeg(root):
    picture(99, 200).save(root / "x.jpg")
    data = (root / "x.jpg").read_bytes()
    (root / "x.jpg").unlink()
    (root / "valid/dog/x.jpg").write_bytes(data[: len(data) // 2])
    return "damaged", ["valid/dog/x.jpg"], "truncated"


def misnamed(root):
    picture(99).save(root / "train/cat/x.png", format="JPEG")
    return "misnamed", ["train/cat/x.png"], "JPEG"


def long(root):
    picture(99).resize((120, 30)).save(root / "train/cat/x.png")
    return "shape", ["train/cat/x.png"], "120×30"


def animation(root):
    picture(99).save(root / "train/cat/x.gif", save_all=True, append_images=[picture(98)])
    return "animated", ["train/cat/x.gif"], "2 frames"


def same_in_classes(root):
    shutil.copy(root / "train/cat/0.png", root / "train/dog/x.png")
    return "same-in-classes", ["train/cat/0.png", "train/dog/x.png"], "cat, dog"


def same_in_splits_in_another_format(root):
    Image.open(root / "train/cat/0.png").save(root / "valid/cat/x.bmp")
    return "same-in-splits", ["train/cat/0.png", "valid/cat/x.bmp"], "2 files"


def same_in_a_class(root):
    shutil.copy(root / "train/cat/0.png", root / "train/cat/x.png")
    return "same-in-a-class", ["train/cat/0.png", "train/cat/x.png"], "2 files"


def near_in_classes(root):
    Image.open(root / "train/cat/0.png").resize((40, 40)).save(root / "train/dog/x.jpg", quality=60)
    return "near-in-classes", ["train/dog/x.jpg", "train/cat/0.png"], "dog / cat"


def near_in_splits_and_darker(root):
    Image.open(root / "train/cat/0.png").point(lambda level: level * 0.6).save(root / "valid/cat/x.png")
    return "near-in-splits", ["valid/cat/x.png", "train/cat/0.png"], "cat, similarity 1.00"


def classes_by_case(root):
    (root / "train/Cat").mkdir()
    picture(99).save(root / "train/Cat/x.png")
    picture(98).save(root / "train/Cat/y.png")
    return "named-alike", ["Cat", "cat"], ""


def classes_by_normal_form(root):
    for name, seed in (("\u00e9t\u00e9", 98), ("e\u0301te\u0301", 99)):
        (root / "train" / name).mkdir()
        picture(seed).save(root / "train" / name / "x.png")
    return "named-alike", ["e\u0301te\u0301", "\u00e9t\u00e9"], ""


def unknown_class(root):
    (root / "valid/bird").mkdir()
    picture(99).save(root / "valid/bird/x.png")
    return "unknown-class", ["bird"], "1 image"


def one_class(root):
    shutil.rmtree(root / "train/dog")
    return "one-class", ["cat"], ""


def not_validated(root):
    shutil.rmtree(root / "valid/dog")
    return "not-validated", ["dog"], "6 images"


def imbalance(root):
    for i in range(60):
        picture(100 + i).save(root / f"train/dog/x{i}.png")
    return "imbalance", ["cat"], "6 images beside 66 of dog"


def another_split(root):
    (root / "extra/cat").mkdir(parents=True)
    picture(99).save(root / "extra/cat/x.png")
    return "unused-images", ["extra/cat/x.png"], "1 image in this folder"


def an_image_without_a_suffix(root):
    picture(99).save(root / "train/cat/x", format="JPEG")
    return "unused-images", ["train/cat/x"], "1 image in this folder"


def empty_folder(root):
    (root / "train/horse").mkdir()
    return "empty-folders", ["train/horse"], ""


TROUBLE = [
    *(empty, no_image, cut_off, cut_off_jpeg, misnamed, long, animation),
    *(same_in_classes, same_in_splits_in_another_format, same_in_a_class, near_in_classes, near_in_splits_and_darker),
    *(classes_by_case, classes_by_normal_form, unknown_class, one_class, not_validated, imbalance),
    *(another_split, an_image_without_a_suffix, empty_folder),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda trouble: trouble.__name__)
def test_each_kind_of_trouble_is_named_with_its_files(clean, found, trouble):
    kind, names, note = trouble(clean)
    cases = found(clean)[kind]
    assert [case[0] for case in cases] == [names]
    assert note in cases[0][1]


def test_only_what_is_wrong_is_found(clean, found):
    shutil.copy(clean / "train/cat/0.png", clean / "train/cat/x.png")
    assert list(found(clean)) == ["same-in-a-class"]


def test_a_class_of_one_image_leaves_none_to_validate_on(tmp_path, found):
    for i, label in enumerate(("cat", "cat", "dog")):
        (tmp_path / label).mkdir(exist_ok=True)
        picture(i).save(tmp_path / label / f"{i}.png")
    assert found(tmp_path) == {"single": [(["dog"], "")]}


def test_without_a_split_near_duplicates_of_a_class_may_be_parted(tmp_path, found):
    for i, label in enumerate(("cat", "cat", "dog", "dog")):
        (tmp_path / label).mkdir(exist_ok=True)
        picture(i).save(tmp_path / label / f"{i}.png")
    picture(0).resize((40, 40)).save(tmp_path / "cat" / "x.png")
    assert found(tmp_path) == {"near-in-a-class": [(["cat/x.png", "cat/0.png"], "cat, similarity 0.99")]}


def test_hidden_files_others_and_a_test_split_are_counted_and_no_findings(clean):
    for name in (".DS_Store", "train/.cache/x.png", "__MACOSX/train/cat/x.png", "Thumbs.db"):
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        picture(99).save(clean / name, format="PNG")
    (clean / "notes.txt").write_text("notes")
    (clean / "test/cat").mkdir(parents=True)
    picture(98).save(clean / "test/cat/x.png")
    report = check_data(clean)
    assert report.findings == []
    counts = {kind: len(names) for kind, names in report.to_dict()["ignored"].items()}
    assert counts == {"hidden": 4, "other": 1, "test": 1}


def test_the_most_important_come_first(clean):
    for trouble in (misnamed, empty, same_in_classes):
        trouble(clean)
    levels = [one.level for one in check_data(clean).findings]
    assert levels == sorted(levels, key=list(LEVELS).index)
    assert set(levels) == set(LEVELS)


def test_a_new_kind_is_one_function(clean, found):
    @finding("look", "pictures that are larger than 100 bytes")
    def too_large(survey):
        yield from (Case((name,)) for name, facts in zip(survey.names, survey.facts, strict=True) if facts.bytes > 100)

    try:
        assert len(found(clean)["too-large"]) == 18
    finally:
        del KINDS["too-large"]
    assert found(clean) == {}
