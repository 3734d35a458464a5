"""Draw ``docs/report.png``: the report of a made season, as a browser shows it.

    callcount demo
    python docs/draw_report.py

The demo's model counts further recordings of the demo's kind, named as recorders of two sites would
name them. Needs chromium and playwright, which ``pip install '.[test]'`` brings.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from counter.cli.main import run
from training.madesound import make_recordings

PICTURE = Path(__file__).with_name("report.png")
MODEL = Path("data/demo/artifacts/demobird")
SITES, HOURS, N_DAYS = ("Ridge", "Valley"), (5, 6, 7, 18), 9
FIRST_DAY = datetime(2024, 5, 1)
WIDTH = 1000
TITLE = "Demobirds of Ridge and Valley, May 2024"


def make_season(folder: Path) -> None:
    """Recordings of two sites, four a day."""
    names = [
        f"{site}_{FIRST_DAY + timedelta(days=day, hours=hour):%Y%m%d_%H%M%S}.flac"
        for site in SITES
        for day in range(N_DAYS)
        for hour in HOURS
    ]
    make_recordings(folder, seed=11, n_recordings=len(names), duration_s=60)
    made = sorted((folder / "Forest Recordings").glob("*.flac"))
    for path, name in zip(made, names, strict=True):
        path.rename(path.with_name(name))


def shoot(report: Path) -> Image.Image:
    """The head of the report and the first events, one above the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200}, color_scheme="light")
        page.goto(report.absolute().as_uri())
        below = page.evaluate("document.querySelectorAll('.map')[2].offsetTop - 10")
        events = page.evaluate("document.querySelector('#listen').offsetTop - 12")
        clips = [(0, below), (events, 490)]
        parts = [
            Image.open(
                io.BytesIO(
                    page.screenshot(
                        full_page=True,
                        clip={"x": 0, "y": top, "width": WIDTH, "height": height},
                    )
                )
            )
            for top, height in clips
        ]
        browser.close()
    whole = Image.new("RGB", (WIDTH, sum(part.height for part in parts)))
    whole.paste(parts[0], (0, 0))
    whole.paste(parts[1], (0, parts[0].height))
    return whole


def main() -> None:
    """Make the season, count it, and draw its report."""
    if not MODEL.is_dir():
        sys.exit(f"there is no {MODEL}: run callcount demo first, in this folder")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_season(folder)
        results = folder / "season2024.csv"
        recordings = str(folder / "Forest Recordings")
        run(["scan", recordings, "--model", str(MODEL), "-o", str(results), "--no-plots"])
        report = folder / "report.html"
        run(["report", str(results), "--title", TITLE, "-o", str(report)])
        shoot(report).quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
