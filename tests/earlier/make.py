"""Make the scan of 0.1.0 that later versions have to read; run once, with the code of 0.1.0.

    git worktree add /tmp/callcount-0.1.0 0b47139
    cd /tmp/callcount-0.1.0
    PYTHONPATH=.:tests python /path/to/tests/earlier/make.py /path/to/tests/earlier/scan-0.1.0

``season`` makes the recordings that were scanned; the test makes them again, so that a scan can go
on. Sound and pictures are not kept, nor the SQLite files of a scan at work.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

RATE_HZ, TONE_HZ, CALL_S = 8000, 1000.0, 1.5
# Of each recording the starts of its calls, seconds; None of one that is broken.
SEASON = {
    "bog/A1_20240501_050000.wav": (2.0, 9.0, 15.0),
    "bog/A1_20240501_060000.wav": (),
    "bog/A1_20240502_050000.wav": (4.0, 12.0),
    "ridge/=B2_20240501_050000.wav": (3.0,),
    "ridge/B2_20240502_050000.wav": (1.0, 6.0, 11.0, 16.0),
    "ridge/broken.wav": None,
}
LENGTH_S = 20.0
# When the recordings were last changed, seconds since the epoch: the journal knows them by it.
MODIFIED_S = 1_714_600_000


def season(folder: Path) -> Path:
    """Write the recordings below a folder; the same bytes each time."""
    for number, (name, starts_s) in enumerate(SEASON.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if starts_s is None:
            path.write_bytes(b"RIFF, but no more")
        else:
            rng = np.random.default_rng(number)
            sound = rng.normal(0, 0.003, int(LENGTH_S * RATE_HZ))
            times_s = np.arange(int(CALL_S * RATE_HZ)) / RATE_HZ
            for start_s in starts_s:
                at = int(start_s * RATE_HZ)
                sound[at : at + len(times_s)] += 0.3 * np.sin(2 * np.pi * TONE_HZ * times_s)
            sf.write(path, sound, RATE_HZ, subtype="PCM_16")
        os.utime(path, (MODIFIED_S, MODIFIED_S))
    return folder


def main(kept: Path) -> None:
    """Scan, sample, mine and evaluate in a folder, and keep what was left."""
    import bundles

    work = Path("/tmp/callcount-earlier")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    root = str(Path.cwd())
    bundles.tone_bundle(work / "bundle", {"tone": TONE_HZ})
    season(work / "season")
    (work / "sites.csv").write_text(
        "folder,site,latitude,longitude\nbog,Bog,51.5,-0.1\nridge,Ridge,51.6,-0.2\n"
    )
    commands = (
        [
            "scan",
            "season",
            "-o",
            "r.csv",
            "--model",
            "bundle",
            "--keep-scores",
            "--format",
            "raven",
            "--format",
            "jsonl",
            "--sites",
            "sites.csv",
            "--timezone",
            "Europe/London",
            "--no-plots",
        ],
        ["sample", "r.csv", "-n", "6", "-o", "sample"],
        ["mine", "season", "--model", "bundle", "-n", "4", "-o", "mined"],
    )
    for command in commands:
        subprocess.run(
            [sys.executable, "-m", "counter.cli.main", *command],
            cwd=work,
            env={**os.environ, "PYTHONPATH": root},
            check=False,
        )
    fill(work / "sample" / "sample.csv", "true_calls", "1")
    fill(work / "mined" / "mine.csv", "label", "tone")
    truth = ["recording,start_s,end_s"]
    for name, starts_s in SEASON.items():
        truth += [f"{name},{start_s},{start_s + CALL_S}" for start_s in starts_s or ()]
    (work / "truth.csv").write_text("\n".join(truth) + "\n")
    shutil.rmtree(work / "season")
    for pictures in work.rglob("spectrograms"):
        shutil.rmtree(pictures)
    for clips in work.rglob("clips"):
        shutil.rmtree(clips)
    for sqlite in work.rglob("*.sqlite-*"):
        sqlite.unlink()
    for more in ("model-float32.tflite", "model-int8.tflite", "saved-model.zip"):
        (work / "bundle" / more).unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(work, kept)


def fill(table: Path, column: str, answer: str) -> None:
    """Answer every row, as a person would."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, column: answer} for row in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
