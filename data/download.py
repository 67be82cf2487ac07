"""Download one of fastai's data sets into fastai's data folder.

fastai's `untar_data` prints its progress bar to stdout, never times out, unpacks without the filter of tarfile, may
leave an incomplete folder when interrupted, and raises a NameError when a transfer is cut short. This module fixes all
five, and uses the folders and the integrity check of fastai.
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

TIMEOUT_SECONDS = 10  # seconds without data after which a download is stopped


def fetch(url: str) -> Path:
    """Returns the unpacked folder of the archive at `url`, which is downloaded if the folder does not exist yet.

    Raises:
        DataError: there is no network, the server does not answer, or the archive is damaged.
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
        f"{folder.name} could not be downloaded from {url} ({reason}).\n"
        f"Unpack it manually into {folder}, so that it contains train/ and test/, or set `data` to digits."
    )


def _download(url: str, archive: Path) -> None:
    import fastai.data
    from fastai.data.external import fastai_cfg
    from fastdownload import FastDownload

    checker = FastDownload(fastai_cfg(), module=fastai.data)
    if archive.exists() and checker.check(url, archive):
        return
    columns = (TextColumn(f"downloading {archive.name}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with replacing(archive) as draft:
        with Progress(*columns, **on_terminal()) as progress:
            task = progress.add_task("")
            for done, total in _transfer(url, draft):
                progress.update(task, completed=done, total=total)
        if not checker.check(url, draft):
            raise OSError("the size or checksum of the downloaded file is not the one that fastai lists")


def _transfer(url: str, to: Path) -> Iterator[tuple[int, int]]:
    """Download `url` to the file `to` in a thread, and yield the number of bytes so far and in total.

    The thread makes a timeout possible, because a DNS lookup and a connection attempt have none of their own.
    """
    events: Queue[tuple[int, int] | Exception | None] = Queue()

    def work() -> None:
        try:
            urlretrieve(url, to, lambda blocks, size, total: events.put((blocks * size, total)))
            events.put(None)
        except (OSError, HTTPException) as error:
            events.put(error)

    Thread(target=work, daemon=True).start()
    try:
        while (event := events.get(timeout=TIMEOUT_SECONDS)) is not None:
            if isinstance(event, Exception):
                raise event
            yield event
    except Empty:
        raise TimeoutError(f"no data for {TIMEOUT_SECONDS} seconds") from None


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive into `folder`; an archive that cannot be unpacked is deleted.

    If all its files are in a single top-level folder, that folder becomes `folder`.
    """
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
