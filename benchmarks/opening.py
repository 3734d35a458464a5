"""How soon a report is open in a browser: of the forest recordings, and of a season of 2,000.

    python -m benchmarks.opening [--rounds 5] [--recordings 2000] [--model BUNDLE]

The season is made of pieces of the forest recordings, 4.5 s each (16 kHz, mono), named as the
recorders of three sites would name them, eight a day. Both are scanned and reported as usual,
each in a process of its own. A report is open when its last table is drawn: the page is given
to chromium as a file, in a window without a cache; then its end is scrolled to and two frames
are waited for. Needs chromium and playwright.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.children import run_child
from benchmarks.common import FOREST, forest_recordings, markdown_table
from benchmarks.sound import split_wav, write_wav

RATE_HZ, PIECE_S = 16_000, 4.5
SITES, A_DAY = ("Ridge", "Valley", "Bog"), 8
FIRST = datetime(2024, 4, 1, 4)
DRAWN = """() => {
  const last = [...document.querySelectorAll("table")].at(-1);
  last.scrollIntoView();
  const two = (done) => requestAnimationFrame(() => requestAnimationFrame(done));
  return new Promise(two).then(() => last.rows.length);
}"""


@dataclass(frozen=True)
class Opened:
    """A report: its size, the seconds to make it, and those to open it, round by round."""

    megabytes: float
    made_s: float
    open_s: tuple[float, ...]


def make_season(folder: Path, n: int) -> Path:
    """``n`` pieces of the forest recordings, named by site, day and hour."""
    whole, season = folder / "whole.wav", folder / "season"
    season.mkdir()
    write_wav(whole, rate_hz=RATE_HZ, duration_s=round(n * PIECE_S), n_tiles=25)
    for number, piece in enumerate(split_wav(whole, season, n_parts=n)):
        day, hour = divmod(number // len(SITES), A_DAY)
        start = FIRST + timedelta(days=day, hours=hour)
        piece.rename(season / f"{SITES[number % len(SITES)]}_{start:%Y%m%d_%H%M%S}.wav")
    whole.unlink()
    return season


def measure(browser: Browser, recordings: Path, model: Path | None, rounds: int) -> Opened:
    """Scan recordings, make their report, and open it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        callcount = [sys.executable, "-m", "counter.cli.main"]
        scan = [*callcount, "scan", str(recordings.resolve()), "-o", "results.csv", "--no-plots"]
        scan += [] if model is None else ["--model", str(model.resolve())]
        run_child(scan, folder=folder)
        made = run_child([*callcount, "report", "results.csv"], folder=folder)
        report = folder / "results" / "report.html"
        times_s = tuple(open_s(browser, report) for _ in range(rounds))
        return Opened(report.stat().st_size / 1e6, made.wall_s, times_s)


def open_s(browser: Browser, report: Path) -> float:
    """Seconds until a report is drawn to its end, in a window of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    page = context.new_page()
    began = time.perf_counter()
    page.goto(report.as_uri())
    n_rows = page.evaluate(DRAWN)
    took_s = time.perf_counter() - began
    context.close()
    if not n_rows:
        sys.exit(f"{report} has no rows in its last table.")
    return took_s


def row(name: str, found: Opened) -> list[object]:
    """A line of the table."""
    ends = f"{min(found.open_s):.2f} to {max(found.open_s):.2f}"
    middle = f"{statistics.median(found.open_s):.2f} ({ends})"
    return [name, f"{found.megabytes:.1f}", f"{found.made_s:.1f}", middle]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--recordings", type=int, default=2000, help="of the made season")
    parser.add_argument("--model", type=Path, help="bundle; by default the one that ships")
    given = parser.parse_args(arguments)
    forest_recordings()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("There is no chromium on this machine.")
    rows = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        rows.append(
            row("25 forest recordings", measure(browser, FOREST, given.model, given.rounds))
        )
        season = make_season(Path(folder), given.recordings)
        made = measure(browser, season, given.model, given.rounds)
        rows.append(row(f"a season of {given.recordings:,} recordings", made))
        browser.close()
    header = ["report of", "MB", "made in, s", "open in, s: median (range)"]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
