"""Serve a page on this machine that predicts the classes of images with a run's model."""

import socket
from pathlib import Path

from data.common.errors import InputError
from data.common.packages import check_installed

MODULES = ("fastapi", "uvicorn", "python_multipart")  # modules of the packages that serving needs
HOST = "127.0.0.1"  # address of this machine; other machines cannot reach it


class ServingError(InputError):
    """The page cannot be served."""


def serve(run: str | Path, port: int = 8000) -> None:
    """Serve the page at `http://127.0.0.1:PORT` until Ctrl-C; other machines cannot reach it.

    The address is printed to stdout.

    Args:
        run: the directory of a finished run.
        port: the port to listen on; 0 for any free one.

    Raises:
        ServingError: packages are missing, or the port is not available.
        RunDirectoryError: see `load_model`.
    """
    check_installed("the page", MODULES, ("fastapi", "uvicorn", "python-multipart"), ServingError)
    import uvicorn

    from learners.serving.service import service

    listener = _listen(port)
    server = uvicorn.Server(uvicorn.Config(service(run), log_level="warning"))
    print(f"http://{HOST}:{listener.getsockname()[1]}", flush=True)
    server.run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # from now on requests wait instead of being refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServingError(f"port {port} is not available ({error}); name another `port`, or 0 for any") from error
    return listener
