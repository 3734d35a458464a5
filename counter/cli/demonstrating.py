"""What ``callcount demo`` does: make sound, train, scan, compare."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout
from counter.cli.scanning import run_scan
from counter.cli.scanplan import ScanSettings
from counter.cli.training import run_train

LABEL = "demobird"
# Small, so that all of it is done within 90 s on two cores; as faint as the calls it will meet.
SMALL = {
    "models": {"mel": {"kind": "mel", "low_hz": 250.0, "high_hz": 3500.0}},
    "fit": {"epochs": 14, "windows_per_epoch": 256},
    "rules": {"recordings_per_fold": 16, "folds": 2, "snr_low_db": -5.0},
}


def run_demo(folder: Path, *, seed: int) -> None:
    """Make clips and recordings in ``folder``, train a small model on them, scan, and compare."""
    from counter.config import validate
    from training.madesound import make_clips, make_recordings
    from training.settings import TrainSettings

    with stderr().status(f"Making sound in {folder} ..."):
        make_clips(folder, seed=seed)
        make_recordings(folder, seed=seed)
    recordings = folder / "Forest Recordings"
    clips = {
        "labels": {LABEL: [str(folder / "Parsed_Demobird_Clips")]},
        "background": [str(folder / "Parsed_Not_Demobird_Clips")],
        "licence": "made by callcount demo",
    }
    settings = validate(
        TrainSettings, {"name": LABEL, "seed": seed, "clips": clips, **SMALL}, "demo"
    )
    trained = run_train(settings, folder / "artifacts")
    output = folder / "results.csv"
    run_scan([recordings], output, ScanSettings(model=trained.folder))
    _compare(output, folder / "truth.csv")
    stdout().print(
        f"Pictures of the recordings: {escape(str(output.with_suffix('') / 'plots'))}\n"
        f"Pictures of the training:   {escape(str(trained.folder / trained.default))}"
    )


def _compare(results: Path, truth: Path) -> None:
    """Print counts beside the truth."""
    with truth.open(newline="", encoding="utf-8") as file:
        true = Counter(row["recording"] for row in csv.DictReader(file))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording")
    for title in ("counted", "true calls"):
        table.add_column(title, justify="right")
    with results.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        table.add_row(escape(row["recording"]), row["calls"], str(true[row["recording"]]))
    table.add_row("all", str(sum(int(row["calls"]) for row in rows)), str(true.total()))
    stdout().print(table)
