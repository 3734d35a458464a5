"""Draw the pictures of the pages but for ``events.png``: pages in a browser, a plot of each kind.

    callcount demo
    python docs/draw_pictures.py

The demo's model counts further recordings of the demo's kind, named as recorders of two sites would
name them. All sound is made. Needs chromium and ``pip install '.[test]'``.
"""

from __future__ import annotations

import csv
import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from counter.cli.main import run
from training.demo.clips_and_recordings import make_recordings

PICTURES = Path(__file__).parent / "images"
DEMO = Path("data/demo")
MODEL = DEMO / "artifacts" / "demobird"
SITES = {"Ridge": (-3.2511, -60.0423), "Valley": (-3.2602, -60.0375)}
HOURS, N_DAYS = (5, 6, 7, 18), 9
FIRST_DAY = datetime(2024, 5, 1)
PAGE_WIDTH, PLOT_WIDTH = 1000, 800
TOO_LOW = 0.05
TITLE = "Demobirds of Ridge and Valley, May 2024"
# Pictures of commands: the name here, and the file that the demo or the season leaves.
OF_DEMO = {
    "result": "results/plots/demo_03.flac.png",
    "training": "artifacts/demobird/mel/spectrogram_examples.png",
    "epochs": "artifacts/demobird/mel/performance_by_epoch.png",
    "made_counts": "artifacts/demobird/mel/counts_against_truth.png",
    "confusion": "artifacts/demobird/mel/confusion_matrix.png",
    "count_error": "artifacts/demobird/mel/count_error_by_threshold.png",
}
OF_SEASON = {
    "counts": "season2024/plots/overview.png",
    "season": "season2024/plots/calls_by_hour.png",
    "worst": "loose/evaluation/worst.png",
    "thresholds": "loose/evaluation/thresholds.png",
    "tuning": "tuned/tuning.png",
    "reliability": "calibrated/reliability.png",
    "sample": "sample/spectrograms/0001.png",
}


def make_season(folder: Path) -> None:
    """Recordings of two sites, four a day, with their truth, and the table of the sites."""
    names = [
        f"{site}_{FIRST_DAY + timedelta(days=day, hours=hour):%Y%m%d_%H%M%S}.flac"
        for site in SITES
        for day in range(N_DAYS)
        for hour in HOURS
    ]
    make_recordings(folder, seed=11, n_recordings=len(names), duration_s=60)
    made = sorted((folder / "Forest Recordings").glob("*.flac"))
    name_of = {path.name: name for path, name in zip(made, names, strict=True)}
    for site in SITES:
        (folder / "season" / site).mkdir(parents=True)
    for path in made:
        name = name_of[path.name]
        path.rename(folder / "season" / name.split("_")[0] / name)
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = [{**row, "recording": name_of[row["recording"]]} for row in csv.DictReader(file)]
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["recording", "start_s", "end_s"])
        table.writeheader()
        table.writerows(rows)
    places = [f"{site},{site},{place[0]},{place[1]}" for site, place in SITES.items()]
    (folder / "sites.csv").write_text("\n".join(["folder,site,latitude,longitude", *places]))


def count(folder: Path) -> Path:
    """Scan the season and have all said of it that callcount can say; the table of counts."""
    results, loose = str(folder / "season2024.csv"), str(folder / "loose.csv")
    truth = ["--truth", str(folder / "truth.csv")]
    scan = ["scan", str(folder / "season"), "--model", str(MODEL)]
    do(*scan, "-o", results, "--sites", str(folder / "sites.csv"))
    do("report", results, "--title", TITLE)
    do("sample", results, "-n", "12", "-o", str(folder / "sample"))
    # so that there are errors to be seen, and something to tune
    do(*scan, "-o", loose, "--threshold", str(TOO_LOW), "--no-plots", "--keep-scores")
    do("evaluate", loose, *truth, "--calibrate", str(folder / "calibrated"))
    do("tune", loose, *truth, "-o", str(folder / "tuned"))
    return Path(results)


def do(*command: str) -> None:
    """Run a command of callcount; end where it fails."""
    if code := run(list(command)):
        sys.exit(f"callcount {' '.join(command)} ended with exit code {code}")


@contextmanager
def review_pages(results: Path) -> Iterator[str]:
    """The address of ``callcount review`` while it runs."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{one.getsockname()[1]}"
    flags = ["--no-browser", "--port", url.rsplit(":", 1)[1], "--reviewer", "Ann"]
    command = [sys.executable, "-m", "counter.cli.main", "review", str(results), *flags]
    with subprocess.Popen(command) as process:
        try:
            while process.poll() is None and not answers(url):
                time.sleep(0.2)
            yield url
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Whether there is a server."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def shot(page: Page, top: float, height: float) -> Image.Image:
    """A part of a page, over all of its width."""
    clip = {"x": 0, "y": top, "width": PAGE_WIDTH, "height": height}
    return Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))


def shoot_report(page: Page, report: Path) -> Image.Image:
    """The head of the report and the first events, one above the other."""
    page.goto(report.absolute().as_uri())
    below = page.evaluate("document.querySelectorAll('figure')[4].offsetTop - 10")
    events = page.evaluate("document.querySelector('#listen').offsetTop - 12")
    parts = [shot(page, 0, below), shot(page, events, 520)]
    whole = Image.new("RGB", (PAGE_WIDTH, sum(part.height for part in parts)))
    whole.paste(parts[0], (0, 0))
    whole.paste(parts[1], (0, parts[0].height))
    return whole


def shoot_review(page: Page, url: str) -> Image.Image:
    """An event to answer."""
    page.goto(url)
    page.locator(".picture").first.wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    return shot(page, 0, 790)


def shoot_overview(page: Page, url: str) -> Image.Image:
    """Figures, charts and the map."""
    page.set_viewport_size({"width": PAGE_WIDTH, "height": 1750})
    page.goto(f"{url}/overview")
    bottom = page.locator("figure").last.bounding_box(timeout=60_000)
    return shot(page, 0, bottom["y"] + bottom["height"] + 10 if bottom else 1700)


def draw_pages(results: Path) -> None:
    """The pages as a browser shows them."""
    with sync_playwright() as playwright, review_pages(results) as url:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        viewport = {"width": PAGE_WIDTH, "height": 1200}
        page = browser.new_page(viewport=viewport, color_scheme="light")
        save("report", shoot_report(page, results.with_suffix("") / "report.html"))
        save("review", shoot_review(page, url))
        save("overview", shoot_overview(page, url))
        browser.close()


def save(name: str, picture: Image.Image) -> None:
    """Write a picture with a palette, hence small; this way of choosing it keeps rare colours."""
    few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(PICTURES / f"{name}.png", optimize=True)


def draw_plots(folder: Path, files: dict[str, str]) -> None:
    """Plots that commands left, as wide as pages show them."""
    for name, file in files.items():
        with Image.open(folder / file) as plot:
            height = round(plot.height * PLOT_WIDTH / plot.width)
            small = plot.convert("RGB").resize((PLOT_WIDTH, height), Image.Resampling.LANCZOS)
        save(name, small if name != "worst" else shortened(small))


def shortened(gallery: Image.Image) -> Image.Image:
    """The first half of a tall gallery, and the name of the axis at its end."""
    upper, name = gallery.height * 504 // 1000, gallery.height * 16 // 1000
    whole = Image.new("RGB", (gallery.width, upper + name))
    whole.paste(gallery, (0, 0))
    whole.paste(gallery.crop((0, gallery.height - name, *gallery.size)), (0, upper))
    return whole


def main() -> None:
    """Make the season, count it, and draw all that there is to see."""
    if not MODEL.is_dir():
        sys.exit(f"there is no {MODEL}: run callcount demo first, in this folder")
    draw_plots(DEMO, OF_DEMO)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_season(folder)
        results = count(folder)
        draw_plots(folder, OF_SEASON)
        draw_pages(results)


if __name__ == "__main__":
    main()
