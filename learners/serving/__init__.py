"""A small page on this machine on which a run's model can be tried."""

import socket
from pathlib import Path

from data.common.errors import InputError
from data.common.packages import check_installed

MODULES = ("fastapi", "uvicorn", "python_multipart")
HOST = "127.0.0.1"


class ServingError(InputError):
    """The page cannot be opened as asked."""


def serve(run: str | Path, port: int = 8000) -> None:
    """Answer on `http://127.0.0.1:PORT` until Ctrl-C; other machines cannot reach it.

    Args:
        run: the directory of a finished run.
        port: 0 takes one that is free. The address is printed to stdout.

    Raises:
        ServingError: the packages are not installed, or the port cannot be had.
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
        listener.listen()  # from now on requests wait, and none is refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServingError(f"port {port} cannot be had ({error}); name another as `port`, or 0 for any") from error
    return listener
