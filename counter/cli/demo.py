"""``callcount demo``: the main job from end to end on sound made here."""

from __future__ import annotations

import csv
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from counter.cli.console import number_columns, plain_table, require_training, stderr, stdout
from counter.cli.options import PATH
from counter.cli.scan import run_scan
from counter.cli.train import TerminalTraining, command_line, print_result
from counter.scanning.plan import ScanSettings

if TYPE_CHECKING:
    from training.run import RunResult
    from training.settings.train_settings import TrainSettings


@click.command()
@click.argument("folder", type=PATH, default=Path("data/demo"))
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sound.")
def demo(folder: Path, seed: int) -> None:
    """Make clips and recordings with known calls in FOLDER, train, scan, and show the counts.

    FOLDER is data/demo unless another is given.
    """
    require_training()
    from counter.config import validate
    from training.demo.clips_and_recordings import make_clips, make_recordings
    from training.settings.train_settings import TrainSettings

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
    trained = _train(settings, folder / "artifacts")
    output = folder / "results.csv"
    run_scan([recordings], output, ScanSettings(model=trained.folder))
    _compare(output, folder / "truth.csv")
    stdout().print(
        f"Pictures of the recordings: {escape(str(output.with_suffix('') / 'plots'))}\n"
        f"Pictures of the training:   {escape(str(trained.folder / trained.default))}"
    )


LABEL = "demobird"
# Small, so that all of it is done within 90 s on two cores; as faint as the calls it will meet.
SMALL = {
    "models": {"mel": {"kind": "mel", "low_hz": 250.0, "high_hz": 3500.0}},
    "fit": {"epochs": 14, "windows_per_epoch": 256},
    "rules": {"recordings_per_fold": 16, "folds": 2, "snr_low_db": -5.0},
}


def _train(settings: TrainSettings, output: Path) -> RunResult:
    """Train, and print what ``callcount train`` prints."""
    with TerminalTraining() as observer:
        observer.loads()
        from training.run import train_all

        observer.begins()
        progress = partial(observer.stage, settings)
        trained = train_all(settings, output, command=command_line(), progress=progress)
    print_result(trained)
    return trained


def _compare(results: Path, truth: Path) -> None:
    """Print counts beside the truth."""
    with truth.open(newline="", encoding="utf-8") as file:
        true = Counter(row["recording"] for row in csv.DictReader(file))
    table = plain_table("recording", *number_columns("counted", "true calls"))
    with results.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        table.add_row(escape(row["recording"]), row["calls"], str(true[row["recording"]]))
    table.add_row("all", str(sum(int(row["calls"]) for row in rows)), str(true.total()))
    stdout().print(table)
