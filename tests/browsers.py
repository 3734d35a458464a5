"""What the tests in a real browser share: chromium, pages that are served, watched windows.

Importing it skips the tests of a module where playwright or chromium is missing. Screenshots go to
the folder that ``CALLCOUNT_SCREENSHOTS`` names, where it is set.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)

# What a browser asks its maker's servers by itself is none of the page's.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_COMES_UP_WITHIN_S, _STOPS_WITHIN_S = 60.0, 30.0


@contextmanager
def chromium(*flags):
    """A browser without a window; ``flags`` beside those of all tests."""
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield started
        started.close()


@contextmanager
def served(results, *flags, port=None, **environment):
    """``callcount review`` of a table; the pages' address. At the end Ctrl-C stops it in order."""
    if port is None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
    command = [sys.executable, "-m", "counter.cli.main", "review", str(results)]
    command += ["--no-browser", "--port", str(port), *map(str, flags)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), **environment}
    here.pop("CALLCOUNT_TOKEN", None)
    with subprocess.Popen(command, cwd=results.parent, env=here, stderr=subprocess.PIPE) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=_STOPS_WITHIN_S)[1].decode()
    assert process.returncode == 0, said
    assert "Traceback" not in said, said


def _wait_for(url, process):
    end_s = time.monotonic() + _COMES_UP_WITHIN_S
    while time.monotonic() < end_s:
        assert process.poll() is None, process.stderr.read().decode()
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:  # it wants a token
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing came up at {url}")


@contextmanager
def watched(page, url):
    """A window that shows what is at ``url`` and below; gives the list of what it asks for.

    At the end nothing was asked of any other server, and no script had failed.
    """
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        yield asked
    finally:
        page.close()
    assert wrong == []
    assert [one for one in asked if not one.startswith((url, "data:", "blob:"))] == []


def shot(page, name, *, full_page=True):
    """Keep a screenshot, where they are wanted."""
    if folder := os.environ.get("CALLCOUNT_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=full_page)
