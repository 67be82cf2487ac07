"""The report in a real browser: from disk, without a network, narrow and wide, light and dark."""

import json
import re
import shutil
import subprocess

import pytest

from learners.answers.page import FILE, report_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--allow-file-access-from-files",
    "--virtual-time-budget=3000",
]
PROBE = """<script>addEventListener("load", () => parent.postMessage({
  wide: document.documentElement.scrollWidth, room: innerWidth,
  pictures: document.images.length,
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  paper: getComputedStyle(document.body).backgroundColor,
  lost: [...document.querySelectorAll('a[href^="#"]')].filter(
    a => !document.getElementById(a.getAttribute("href").slice(1))).length,
}, "*"))</script>"""
FRAME = """<!doctype html><iframe id="f" src="probed.html" style="border: 0; width: {width}px; height: 800px"></iframe>
<script>addEventListener("message", e => {{ document.body.dataset.found = JSON.stringify(e.data) }})</script>"""


@pytest.fixture(scope="module")
def page(small_run, tmp_path_factory):
    """A copy of the report with a script that writes measurements of the page."""
    run = shutil.copytree(small_run, tmp_path_factory.mktemp("page") / "run")
    text = report_run(run).read_text(encoding="utf-8")
    (run / "probed.html").write_text(text + PROBE, encoding="utf-8")
    return run / FILE


def seen(page, width, *flags):
    """Return measurements of the page in a window of this width, and the browser's console output."""
    frame = page.with_name("frame.html")
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [CHROMIUM, *FLAGS, profile, *flags, "--window-size=1500,900", "--dump-dom", frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(found[1].replace("&quot;", '"')), console


@pytest.mark.parametrize("width", [380, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_whole_and_fits(page, width, scheme):
    flags = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    found, console = seen(page, width, *flags)
    assert console == []
    assert found["room"] == width
    assert found["wide"] <= width
    assert found["pictures"] > 10
    assert found["broken"] == found["lost"] == 0
    assert found["dark"] == (scheme == "dark")
    assert found["paper"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]


def test_the_probe_sees_a_page_that_is_too_wide_and_a_picture_that_is_missing(page):
    text = page.with_name("probed.html").read_text(encoding="utf-8")
    broken = '<div style="width: 2000px">x</div><img src="gone.png"><script>console.error("told")</script>'
    page.with_name("probed.html").write_text(broken + text, encoding="utf-8")
    try:
        found, console = seen(page, 380)
    finally:
        page.with_name("probed.html").write_text(text, encoding="utf-8")
    assert found["wide"] > 380
    assert found["broken"] == 1
    assert any("told" in line for line in console)
