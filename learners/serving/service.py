"""The web application of the page: one address for the page, and one for predictions."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import FastAPI, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.middleware.base import RequestResponseEndpoint

from data.common.errors import DataError
from learners.prediction.evidence import Evidence
from learners.prediction.predictor import Predictor

MAX_UPLOAD_BYTES = 20 * 2**20  # largest upload, in bytes
PAGE = Path(__file__).with_name("page.html")
# Allowed host names. Other names are refused, because a foreign web page could make its own name point to this machine.
HOSTS = ["127.0.0.1", "localhost"]


def service(run: str | Path) -> FastAPI:
    """Return the web application of a run: `GET /` is the page, `POST /predict` classifies the file `image`.

    The response to `/predict` is JSON with `label`, `probability`, `guesses` and `evidence`, a figure as a data URI. A
    file that is not a readable image gets status 400 and a reason, an upload of more than 20 MiB gets 413. Requests are
    answered one after another, in one thread: torch and matplotlib keep memory for each thread that calls them.

    Args:
        run: the directory of a finished run.

    Raises:
        RunDirectoryError: see `load_model`.
    """
    predictor, thread = Predictor(run), ThreadPoolExecutor(max_workers=1)
    evidence, page = Evidence(Path(run), predictor), PAGE.read_text(encoding="utf-8")
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)  # those pages would load scripts from the internet
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    app.add_exception_handler(RequestValidationError, _without_image)
    app.middleware("http")(_limited)

    @app.get("/", response_class=HTMLResponse)
    def _page() -> str:
        return page

    @app.post("/predict")
    async def _predict(image: UploadFile) -> Response:
        in_thread = asyncio.get_running_loop().run_in_executor
        try:
            return JSONResponse(await in_thread(thread, _answer, predictor, evidence, image.file))
        except DataError as error:
            return refused(400, str(error))

    return app


def _answer(predictor: Predictor, evidence: Evidence, file: BinaryIO) -> dict[str, Any]:
    (batch,) = predictor.batches([file.read()])
    (answer,) = predictor.answers(batch)
    (figure,) = evidence.figures(batch, [answer])
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    found = answer.to_dict() | {"evidence": f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"}
    del found["image"]  # an upload has no path
    return found


def refused(code: int, reason: str) -> JSONResponse:
    """Return an error response.

    Args:
        code: the HTTP status code.
        reason: the error message.
    """
    return JSONResponse({"error": reason}, code)


async def _without_image(request: Request, error: Exception) -> Response:
    return refused(400, "there is no file in the field `image` of the form; send one")


async def _limited(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Refuse uploads that are too large, before they are read."""
    length = request.headers.get("content-length")
    if request.method == "POST" and length is None:
        return refused(411, "the length of the upload is missing; send Content-Length")
    if length is not None and int(length) > MAX_UPLOAD_BYTES:
        return refused(413, f"the upload has {int(length):,} bytes; send at most {MAX_UPLOAD_BYTES:,}")
    return await call_next(request)
