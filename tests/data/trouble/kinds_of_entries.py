"""Other entries of a folder: links, hidden files, system files, pipes and near duplicates of pictures."""

import os
import stat
import tempfile

import numpy as np
from PIL import Image

from tests.data.trouble.kinds import SIDE, Pictures, kind, png_of
from tests.data.trouble.kinds_of_pixels import COLOUR


@kind(r'"train": \{"cat": 4,')
def a_link_to_a_picture(folder: Pictures) -> None:
    elsewhere = folder.root.with_name("elsewhere.png")
    elsewhere.write_bytes(png_of(COLOUR))
    (folder.root / "train/cat/x.png").symlink_to(elsewhere)
    folder.expect("train/cat/x.png", COLOUR)


@kind(r'"train": \{"cat": 4,')
def a_link_to_a_folder(folder: Pictures) -> None:
    elsewhere = folder.root.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "x.png").write_bytes(png_of(COLOUR))
    for name in ("one", "two"):  # two links to the same pictures, which must count once
        (folder.root / "train/cat" / name).symlink_to(elsewhere)
    folder.expect("train/cat/one/x.png", COLOUR)


@kind(r'"train": \{"cat": 3,')
def links_in_a_loop(folder: Pictures) -> None:
    (folder.root / "train/cat/up").symlink_to(folder.root)
    (folder.root / "train/cat/self").symlink_to(folder.root / "train/cat/self")


@kind(r'"dead-links".*train/cat/x\.png')
def a_link_that_leads_nowhere(folder: Pictures) -> None:
    (folder.root / "train/cat/x.png").symlink_to(folder.root / "gone.png")


@kind(r'"hidden": \[[^\]]*\.DS_Store[^\]]*\._x\.png')
def hidden_files(folder: Pictures) -> None:
    folder.add("train/cat/.DS_Store", b"\0")
    folder.add("train/cat/._x.png", b"\0")
    folder.put(".git/cat", used=False)


@kind(r'"hidden": \[[^\]]*__MACOSX[^\]]*Thumbs\.db')
def what_systems_leave_behind(folder: Pictures) -> None:
    folder.put("__MACOSX/train/cat", used=False)
    folder.put("train/cat/@eaDir", used=False)
    folder.add("train/cat/Thumbs.db", b"\0")
    folder.add("desktop.ini", b"\0")


@kind(r'"other": \[[^\]]*notes\.txt[^\]]*film\.mp4')
def files_that_are_no_pictures(folder: Pictures) -> None:
    folder.add("notes.txt", b"notes")
    folder.add("train/cat/film.mp4", b"film")


@kind(r'"unused-images".*train/cat/x"')
def a_picture_without_a_suffix(folder: Pictures) -> None:
    folder.add("train/cat/x", png_of(COLOUR))


def entry(name: str, make_entry: object) -> None:
    """Register folders with a special file such as a pipe, with and without the suffix of a picture."""

    @kind(r'"other": \[[^\]]*/x"[^\]]*/x\.png', name=name)
    def make(folder: Pictures) -> None:
        for file in ("x", "x.png"):
            make_entry(folder.root / "train/cat" / file)


entry("a named pipe", os.mkfifo)
entry("a socket", lambda path: os.mknod(path, stat.S_IFSOCK | 0o600))
entry("a link to a device", lambda path: path.symlink_to("/dev/zero"))


@kind(r'"train": \{"cat": 3,')
def a_folder_that_cannot_be_written(folder: Pictures) -> None:
    for path in (*folder.root.rglob("*"), folder.root):
        path.chmod(0o555 if path.is_dir() else 0o444)


def permissions_hold() -> bool:
    """Whether file permissions apply to this process; they usually do not apply to root."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return not os.access(file.name, os.R_OK)


if permissions_hold():

    @kind(r'"(damaged|no-image)".*x\.png.*Permission denied', refused=r"x\.png: .*Permission denied", skipped=True)
    def a_file_that_nobody_may_read(folder: Pictures) -> None:
        folder.add("train/cat/x.png", png_of(COLOUR))
        (folder.root / "train/cat/x.png").chmod(0)

    @kind(
        r"train/cat: cannot be read \(Permission denied\)", refused=r"train/cat: cannot be read \(Permission denied\)"
    )
    def a_folder_that_nobody_may_read(folder: Pictures) -> None:
        (folder.root / "train/cat").chmod(0)


def soft(seed: int, side: int = 48) -> Image.Image:
    """Returns soft coloured shapes, of which a smaller copy is a near duplicate."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def near(where: str, found: str) -> None:
    """Register folders with a picture in train/cat and a smaller copy of it elsewhere."""

    @kind(
        rf'"{found}".*{where}/small\.png.*train/cat/large\.png',
        name=f"nearly the same picture in {where.replace('/', ' ')}",
    )
    def make(folder: Pictures) -> None:
        shrunk = soft(0).resize((SIDE, SIDE), Image.Resampling.BILINEAR)  # resized as `fit` does
        folder.add("train/cat/large.png", png_of(np.asarray(soft(0))), np.asarray(shrunk))
        folder.add(f"{where}/small.png", png_of(np.asarray(shrunk)), np.asarray(shrunk))


near("train/dog", "near-in-classes")
near("valid/cat", "near-in-splits")
