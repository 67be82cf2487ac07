"""Tables of labels with errors."""

from pathlib import Path

from tests.data.trouble.kinds import Pictures, kind

HEADER = "file,label,split"


def write(folder: Pictures, lines: list[str], encoding: str = "utf-8") -> None:
    """Write `labels.csv`, and make it the argument of the commands."""
    folder.data = folder.root / "labels.csv"
    folder.data.write_bytes("\n".join([*lines, ""]).encode(encoding))


def rows(folder: Pictures) -> list[str]:
    """Returns one line per picture."""
    paths = [path.relative_to(folder.root) for path in sorted(folder.root.rglob("*.png"))]
    return [f"{path},{path.parts[1]},{path.parts[0]}" for path in paths]


def wrong(name: str, line: str, words: str) -> None:
    """Register tables with this line, whose error message contains these words."""

    @kind(words, name=name, refused=rf"labels\.csv, line 3: .*{words}")
    def make(folder: Pictures) -> None:
        first, *rest = rows(folder)
        write(folder, [HEADER, first, line, *rest])


wrong("a row whose file is missing", "train/cat/gone.png,cat,train", r"gone\.png cannot be found")
wrong("a row that names a folder", "train/cat,cat,train", "train/cat is not a file")
wrong("a row without a label", "train/cat/0000.png,,train", "the label is empty")
wrong("a row without a file", ",cat,train", "is not a file")
wrong("a row of an unknown split", "train/cat/0000.png,cat,Trian", "unknown split 'Trian'")
wrong("a row whose file name is too long", f"{'x' * 300}.png,cat,train", "cannot be found")
wrong("a row of several lines", '"a\nb\nc\nd.png",cat,train', "cannot be found")
wrong("a row with a zero byte", "train/cat/a\0b.png,cat,train", "cannot be found")


@kind(r'"images": 8\b')
def a_table_in_order(folder: Pictures) -> None:
    write(folder, [HEADER, *rows(folder)])


@kind(r'"images": 8\b')
def a_table_of_Excel_with_a_byte_order_mark(folder: Pictures) -> None:
    write(folder, [HEADER, *rows(folder)], "utf-8-sig")


@kind(r'"images": 8\b')
def a_table_with_a_column_that_nobody_knows(folder: Pictures) -> None:
    write(folder, [f"{HEADER},photographer", *(f"{row},Ada" for row in rows(folder))])


@kind(r'"same-in-a-class".*train/cat/0000\.png", "[^"]*train/cat/0000\.png')
def a_row_that_comes_twice(folder: Pictures) -> None:
    write(folder, [HEADER, *rows(folder), rows(folder)[0]])
    folder.expected.append(folder.expected[0])


@kind(r'"same-in-classes".*train/cat/0000\.png", "[^"]*train/cat/0000\.png')
def a_file_with_two_labels(folder: Pictures) -> None:
    write(folder, [HEADER, *rows(folder), "train/cat/0000.png,dog,train"])
    folder.expected.append(folder.expected[0]._replace(label="dog"))


@kind("no column label", refused=r"labels\.csv: no column label")
def a_table_without_labels(folder: Pictures) -> None:
    write(folder, ["file,class,split", *rows(folder)])


@kind("not a readable table", refused=r"labels\.csv: not a readable table")
def a_table_in_another_encoding(folder: Pictures) -> None:
    write(folder, [HEADER, *rows(folder), "train/cat/0000.png,café,train"], "latin-1")


@kind("not a readable table", refused=r"labels\.csv: not a readable table")
def an_empty_table(folder: Pictures) -> None:
    folder.data = folder.root / "labels.csv"
    folder.data.write_bytes(b"")


@kind("no images to train on", refused=r"labels\.csv: no images to train on")
def a_table_of_a_header_alone(folder: Pictures) -> None:
    write(folder, [HEADER])


@kind("not a readable table", refused=r"labels\.csv: not a readable table")
def a_row_with_a_value_too_many(folder: Pictures) -> None:
    write(folder, [HEADER, *rows(folder), "train/cat/0000.png,cat,train,x,y"])


@kind("not a readable table|no column", refused=r"labels\.csv: ")
def a_picture_that_is_called_csv(folder: Pictures) -> None:
    folder.data = folder.root / "labels.csv"
    folder.data.write_bytes((folder.root / "train/cat/0000.png").read_bytes())


def path_of(name: str, data: str, words: str) -> None:
    """Register a value of `data` that is not a data set."""

    @kind(words, name=name, refused=words)
    def make(folder: Pictures) -> None:
        folder.data = Path(data)


path_of("a path that does not exist", "/no/such/folder", "/no/such/folder: no such file or folder")
path_of("a path that is too long", "/" + "x" * 300, "not a valid path \\(File name too long\\)")
path_of("the home of a user who does not exist", "~no_such_user/images", "~no_such_user/images: not a valid path")
