"""Fetch one of fastai's data sets into fastai's data directory.

`untar_data` itself prints its bar to stdout, waits for ever for a silent server, unpacks without tarfile's
filter, may leave half a folder behind when interrupted, and ends in a NameError when a transfer is cut short.
All five are mended here; its directories and its integrity check are used.
"""

import tarfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.request import urlretrieve

from filelock import FileLock
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, track

from data.common.errors import DataError
from data.common.files import filling, replacing
from data.common.progress import on_terminal
from data.home import home_path

SILENCE = 10  # seconds without a byte after which a transfer is given up


def fetch(url: str) -> Path:
    """The folder that the archive at `url` unpacks to; the network is only used where it is not there yet.

    Raises:
        DataError: no network, a server that is silent, a damaged archive.
    """
    archive = home_path("archive") / Path(url).name
    folder = home_path("data") / archive.stem
    if folder.is_dir():
        return folder
    archive.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{archive}.lock"):
        if not folder.is_dir():
            try:
                _download(url, archive)
                _unpack(archive, folder)
            except (OSError, HTTPException, tarfile.TarError, EOFError, zlib.error) as error:
                raise DataError(_advice(url, folder, error)) from error
    return folder


def _advice(url: str, folder: Path, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return (
        f"{folder.name} could not be fetched from {url} ({reason}).\n"
        f"Unpack it by hand into {folder}, with train/ and test/ inside, or set `data` to digits."
    )


def _download(url: str, archive: Path) -> None:
    import fastai.data
    from fastai.data.external import fastai_cfg
    from fastdownload import FastDownload

    checker = FastDownload(fastai_cfg(), module=fastai.data)
    if archive.exists() and checker.check(url, archive):
        return
    columns = (TextColumn(f"fetching {archive.name}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with replacing(archive) as draft:
        with Progress(*columns, **on_terminal()) as progress:
            task = progress.add_task("")
            for done, total in _transfer(url, draft):
                progress.update(task, completed=done, total=total)
        if not checker.check(url, draft):
            raise OSError("the file that came is not the one that fastai knows")


def _transfer(url: str, to: Path) -> Iterator[tuple[int, int]]:
    """Bytes so far and in all, from a thread: looking up a name and trying its addresses know no timeout."""
    events: Queue[tuple[int, int] | Exception | None] = Queue()

    def work() -> None:
        try:
            urlretrieve(url, to, lambda blocks, size, total: events.put((blocks * size, total)))
            events.put(None)
        except (OSError, HTTPException) as error:
            events.put(error)

    Thread(target=work, daemon=True).start()
    try:
        while (event := events.get(timeout=SILENCE)) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
    except Empty:
        raise TimeoutError(f"nothing came for {SILENCE} seconds") from None


def _unpack(archive: Path, folder: Path) -> None:
    """Into `folder`, without the one folder that holds all; an archive that cannot be unpacked is removed."""
    with filling(folder) as draft:
        try:
            with tarfile.open(archive) as tar:
                for member in track(tar, f"unpacking {archive.name}", **on_terminal()):
                    tar.extract(member, draft, filter="data")
        except (tarfile.TarError, EOFError, zlib.error):
            archive.unlink()
            raise
        inside = list(draft.iterdir())
        if len(inside) == 1 and inside[0].is_dir():
            only = inside[0].rename(draft.with_name("only"))
            draft.rmdir()
            only.rename(draft)
