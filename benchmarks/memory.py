"""Peak memory of scanning long files, above that of a 3 minute file.

    python -m benchmarks.memory [--model BUNDLE] [--plots]

Scans a 3 minute mp3 of the shared forest recordings, a 24 h WAV (16 kHz, mono, 2.8 GB) and a 3 h
mp3 (48 kHz, stereo), each in a process of its own, and prints the peak resident memory that the
system reports for it. The long files are made from the shared recordings' sound, tiled, in a
temporary folder (TMPDIR) and deleted afterwards.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import Scan, forest_recordings, markdown_table, scan
from benchmarks.sound import write_mp3, write_wav

HOUR_S = 3600


def measure(folder: Path, model: Path | None, plots: bool) -> dict[str, Scan]:
    """Make and scan the three files; one long file exists at a time."""
    found = {"3 min mp3": scan(forest_recordings()[0], folder, model=model, plots=plots)}
    day = folder / "day.wav"
    write_wav(day, rate_hz=16_000, duration_s=24 * HOUR_S)
    found["24 h WAV"] = scan(day, folder, model=model, plots=plots)
    day.unlink()
    morning = folder / "morning.mp3"
    write_mp3(morning, duration_s=3 * HOUR_S)
    found["3 h mp3"] = scan(morning, folder, model=model, plots=plots)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.memory", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="bundle (default: shipped)")
    parser.add_argument("--plots", action="store_true", help="draw plots as well")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.model, given.plots)
    floor_mb = found["3 min mp3"].child.peak_mb
    header = ["file", "sound scanned, s", "wall, s", "peak, MB", "above 3 min, MB", "bar", "aim"]
    rows = [
        [
            name,
            f"{one.audio_s:.0f}",
            f"{one.child.wall_s:.1f}",
            f"{one.child.peak_mb:.0f}",
            *([f"{one.child.peak_mb - floor_mb:+.0f}", "150", "50"] if number else ["", "", ""]),
        ]
        for number, (name, one) in enumerate(found.items())
    ]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
