"""A Dask cluster on this machine against threads: the same recordings, in turn.

    python -m benchmarks.cluster [--rounds 3] [--hours 4]

Repeats the 25 shared forest recordings (copies) to the hours wanted, and scans them with 2
threads and with ``--cluster local:2``, plots off, each in a process of its own, one after the other
in every round. The table gives the median wall time over rounds with the smallest and largest, of
the scan (the manifest's, from its first recording to its tables) and of the whole process, in which
the cluster is started and ended; and the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.children import run_child
from benchmarks.common import forest_recordings, markdown_table

RECORDING_S = 180.0
WAYS = {"2 threads": ("--jobs", "2"), "local:2": ("--cluster", "local:2")}


def season(folder: Path, hours: float) -> Path:
    """A folder of copies of the recordings, again and again."""
    recordings = forest_recordings()
    made = folder / "season"
    made.mkdir()
    for number in range(round(hours * 3600 / RECORDING_S)):
        source = recordings[number % len(recordings)]
        (made / f"{number:04d}{source.suffix}").write_bytes(source.read_bytes())
    return made


def wall_s(season: Path, folder: Path, flags: Sequence[str]) -> tuple[float, float]:
    """Seconds of a scan, and of its whole process; all its tables must be those of the others."""
    out = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "counter.cli.main", "scan", str(season), "--no-plots"]
    child = run_child([*command, "-o", str(out / "r.csv"), *flags], folder=out)
    manifest = json.loads((out / "r" / "manifest.json").read_text(encoding="utf-8"))
    first = folder / "events.csv"
    events = (out / "r" / "events.csv").read_bytes()
    if first.exists() and first.read_bytes() != events:
        sys.exit(f"the events of {' '.join(flags)} are not those of the first scan")
    first.write_bytes(events)
    return manifest["wall_s"], child.wall_s


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.cluster", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hours", type=float, default=4.0)
    given = parser.parse_args(arguments)
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        made = season(Path(scratch), given.hours)
        for _ in range(given.rounds):
            for way, flags in WAYS.items():
                found[way].append(wall_s(made, Path(scratch), flags))
    rows = []
    for place, what in enumerate(("scan", "process")):
        for way, times in found.items():
            rows.append([f"{given.hours:g} h, {way}, {what}, s", spread([t[place] for t in times])])
        pairs = zip(found["local:2"], found["2 threads"], strict=True)
        ratio = spread([there[place] / here[place] for there, here in pairs])
        rows.append([f"cluster over threads, {what} (bar 1.3, aim 1.1)", ratio])
    print(markdown_table(["figure", "measured"], rows))


def spread(values: Sequence[float]) -> str:
    """Median, and smallest and largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
