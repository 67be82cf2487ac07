"""Downloads from a local server: complete, truncated, corrupt, missing and silent ones."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fastdownload.core
import numpy as np
import pytest
from fastai.data.external import URLs, fastai_path
from PIL import Image

from data import download
from data.common.errors import DataError
from data.home import home_path
from data.opening import open_source
from data.sources.cifar import ARCHIVES


def archive(*extra):
    """A small cifar10.tgz; `extra` are names that lie outside of it."""
    buffer = io.BytesIO()
    picture = io.BytesIO()
    Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)).save(picture, "png")
    names = [f"cifar10/{split}/{label}/{i}.png" for split in ("train", "test") for label in "ab" for i in range(2)]
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in [*names, *extra]:
            info = tarfile.TarInfo(name)
            info.size = len(picture.getvalue())
            tar.addfile(info, io.BytesIO(picture.getvalue()))
    return buffer.getvalue()


@pytest.fixture
def serve(home, monkeypatch):
    """Start a local server in place of that of fastai, which answers with `send(handler)`."""
    servers, released = [], threading.Event()

    def start(send):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append(self.path)
                send(self, released)

            def log_message(self, *args):
                pass

        requests = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        url = f"http://127.0.0.1:{server.server_port}/cifar10.tgz"
        monkeypatch.setitem(ARCHIVES, "cifar10", url)
        monkeypatch.setattr(fastdownload.core, "read_checks", lambda module: {url: known})
        return requests

    body = archive()
    known = (len(body), hashlib.md5(body[: 2**20]).hexdigest())
    yield start
    released.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def sending(body, length=None):
    def send(handler, released):
        handler.send_response(200)
        handler.send_header("Content-Length", str(length or len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def silent(handler, released):
    released.wait(30)


def stuck(handler, released):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"x" * 9000)
    handler.wfile.flush()
    released.wait(30)


def missing(handler, released):
    handler.send_error(404)


def test_an_archive_is_fetched_once_and_stdout_stays_clean(serve, home, capfd):
    requests = serve(sending(archive()))
    source = open_source("cifar10")
    assert (len(source.train), len(source.valid), source.classes, source.size) == (4, 4, ["a", "b"], 32)
    assert open_source("cifar10") == source
    assert requests == ["/cifar10.tgz"]
    assert capfd.readouterr() == ("", "")
    assert {p.name for p in (home / "data").iterdir()} == {"cifar10"}


def test_what_is_there_needs_no_network(home, make_folder, monkeypatch):
    (home / "data").mkdir(parents=True)
    make_folder({"train/a": 2, "train/b": 2, "test/a": 1}, name="home/data/cifar10")
    monkeypatch.setitem(ARCHIVES, "cifar10", "http://nowhere.invalid/cifar10.tgz")
    assert len(open_source("cifar10").train) == 4


@pytest.mark.parametrize(
    ("send", "reason"),
    [
        (sending(archive()[:-50], length=len(archive())), "incomplete"),
        (sending(b"x" * len(archive())), "not the one that fastai lists"),
        (missing, "404"),
        (silent, "no data for|timed out"),
        (stuck, "no data for|timed out"),
    ],
    ids=["truncated", "corrupt", "missing", "silent", "stuck"],
)
def test_a_failure_tells_what_to_do_and_leaves_no_data(serve, home, monkeypatch, send, reason, capfd):
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 1)
    serve(send)
    with pytest.raises(DataError, match=reason) as caught:
        open_source("cifar10")
    message = str(caught.value)
    assert ARCHIVES["cifar10"] in message
    assert str(home / "data" / "cifar10") in message
    assert "set `data` to digits" in message
    assert message.count("\n") == 1
    assert not list((home / "data").glob("*"))
    assert not (home / "archive" / "cifar10.tgz").exists()
    assert capfd.readouterr().out == ""


def test_a_refused_connection_is_told(home, monkeypatch):
    monkeypatch.setitem(ARCHIVES, "cifar10", "http://127.0.0.1:1/cifar10.tgz")
    with pytest.raises(DataError, match="refused"):
        open_source("cifar10")


def test_a_name_that_is_looked_up_for_ever_is_given_up(home, monkeypatch):
    """Without a network a DNS lookup may take minutes, and the timeout of urllib does not apply to it."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.5)
    given_up = threading.Event()

    def look_up(*args, **kwargs):
        given_up.wait(30)
        raise OSError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    with pytest.raises(DataError, match="no data for"):
        open_source("cifar10")
    given_up.set()


def test_silence_is_given_up_within_15_seconds():
    assert download.TIMEOUT_SECONDS <= 12


def test_a_damaged_archive_is_not_kept(serve, home, monkeypatch):
    """The integrity check covers length and first megabyte; damage after that is found when unpacking."""
    requests = serve(sending(archive()))
    damaged = archive()[:-400] + bytes(400)
    (home / "archive").mkdir(parents=True)
    (home / "archive" / "cifar10.tgz").write_bytes(damaged)
    monkeypatch.setattr(fastdownload.core, "read_checks", lambda module: {})
    with pytest.raises(DataError, match="could not be downloaded"):
        open_source("cifar10")
    assert list((home / "data").iterdir()) == []
    assert len(open_source("cifar10").train) == 4
    assert requests == ["/cifar10.tgz"]


def test_nothing_is_unpacked_outside_the_folder(serve, home, monkeypatch):
    body = archive("../outside.png")
    serve(sending(body))
    monkeypatch.setattr(fastdownload.core, "read_checks", lambda module: {})
    with pytest.raises(DataError, match="outside"):
        open_source("cifar10")
    assert not list(home.rglob("outside.png"))


def test_the_addresses_and_folders_are_fastais(home):
    assert ARCHIVES == {"cifar10": URLs.CIFAR, "cifar100": URLs.CIFAR_100}
    assert [home_path(kind) for kind in ("data", "archive")] == [fastai_path(kind) for kind in ("data", "archive")]
