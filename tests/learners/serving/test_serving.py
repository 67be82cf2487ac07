"""The page of a run: its responses to images, other files and parallel requests, and errors at the start."""

import base64
import io
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
import torch
from PIL import Image

from data.decoding.cache import Stats
from learners import Predictor, ResNet18
from learners.run_directory.model_files import write_model
from learners.serving import ServingError, serve
from tests.conftest import ROOT

CLASSES = ["cat", "dog", "émeu 🦤"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    write_model(folder, ResNet18(3), "resnet18", CLASSES, 16, Stats((0.5,) * 3, (0.25,) * 3), temperature=1.5)
    return folder


@pytest.fixture(scope="module")
def page(run):
    """The address of the page, which a separate process serves."""
    command = [sys.executable, str(ROOT / "app.py"), "serve", str(run), "--port", "0"]  # a port that is free
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def picture(seed, side=40, kind="PNG"):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def post(page, content, **more):
    return requests.post(f"{page}/predict", files={"image": content}, timeout=120, **more)


def test_it_is_only_on_this_machine_and_needs_nothing_from_elsewhere(page):
    assert page.startswith("http://127.0.0.1:")
    html = requests.get(page, timeout=60).text
    assert "http:" not in html
    assert "https:" not in html
    assert requests.get(page, timeout=60, headers={"Host": "elsewhere.example"}).status_code == 400


def test_an_answer_is_the_predictor_s_with_a_picture_of_the_evidence(page, run):
    content = picture(0)
    found = post(page, content).json()
    (expected,) = Predictor(run)([content])
    assert found["label"] == expected.label
    assert [(guess["label"], guess["probability"]) for guess in found["guesses"]] == [
        (guess.label, pytest.approx(guess.probability, abs=1e-6)) for guess in expected.guesses
    ]
    kind, evidence = found["evidence"].split(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(evidence))).width > 300


@pytest.mark.parametrize("content", [b"", b"<html></html>", picture(0)[:200]], ids=["empty", "a page", "cut off"])
def test_what_is_no_image_is_answered_with_400_and_a_reason(page, content):
    answer = post(page, content)
    assert answer.status_code == 400
    assert "not a readable image" in answer.json()["error"]
    assert " at 0x" not in answer.json()["error"]


def test_a_form_without_an_image_is_answered_with_400(page):
    answer = requests.post(f"{page}/predict", data={"image": "cat.jpg"}, timeout=60)
    assert (answer.status_code, "the field `image`" in answer.json()["error"]) == (400, True)


def test_too_large_an_upload_is_refused_and_the_page_goes_on(page):
    answer = post(page, bytes(21 * 2**20))
    assert (answer.status_code, "send at most 20,971,520" in answer.json()["error"]) == (413, True)
    assert post(page, picture(1)).status_code == 200


def test_an_upload_of_unknown_length_is_refused(page):
    parts = iter([b"some", b"bytes"])
    answer = requests.post(f"{page}/predict", data=parts, timeout=60)
    assert (answer.status_code, "Content-Length" in answer.json()["error"]) == (411, True)


def test_twenty_at_once_are_all_answered(page):
    contents = [picture(i) if i % 10 else picture(i)[:100] for i in range(60)]
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda content: post(page, content).status_code, contents))
    assert codes == [200 if i % 10 else 400 for i in range(60)]


def test_a_port_that_is_taken_is_named(run, app):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = app("serve", run, "--port", port)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: port {port} is not available")
    assert "--port" in done.err


def test_a_run_that_is_none_is_named_before_the_page_opens(tmp_path, app):
    done = app("serve", tmp_path / "nothing", "--port", 0)
    assert (done.code, done.out) == (2, "")
    assert os.fspath(tmp_path / "nothing") in done.err


def test_packages_that_are_missing_are_named(run, monkeypatch):
    monkeypatch.setattr("learners.serving.MODULES", ("fastapi", "no_such_package"))
    with pytest.raises(ServingError, match=r"not installed \(no_such_package\): pip install fastapi"):
        serve(run)
