"""A season of many short recordings: overhead a file, memory, and how soon a finished one is known.

    python -m benchmarks.season [-n 100000] [--journal-rows 1000000]

Makes ``n`` WAV files of 1 s (16 kHz, mono) and a tenth as many in temporary folders, scans both
with 2 threads, plots off, and scans the larger again when it is finished. Overhead is the wall time
of a file less half of what decoding and scoring one takes on one thread (the decoder's own read,
and the shipped network on the file with its context), as if two threads did that twice as fast.
Memory is that of all processes of a scan. Before it, writes the tables of a journal of ``n`` such
files with a call each, as a scan does at its end. Then fills a journal with so many rows as an
undisturbed scan would, and measures its size and the time to read it for the tables.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import soundfile as sf

from benchmarks.children import run_child
from benchmarks.common import markdown_table
from counter.bundle import read_bundle, shipped_path
from counter.detector import Detector
from counter.records import OK, Event, FileResult, Origin, Recording
from counter.scanning.journal import Journal
from counter.tables.manifest import OutputPaths
from counter.tables.result_tables import ResultTables

RATE_HZ = 16_000
N_KINDS = 20
N_THREADS = 2
A_FOLDER = 1000


def make(folder: Path, n: int) -> None:
    """Files of noise, 1000 in a folder, named as recorders name them."""
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(N_KINDS):
        content = io.BytesIO()
        sf.write(content, rng.normal(0, 0.01, RATE_HZ), RATE_HZ, "PCM_16", format="WAV")
        kinds.append(content.getvalue())
    for index in range(n):
        site = folder / f"site{index // A_FOLDER:04d}"
        if index % A_FOLDER == 0:
            site.mkdir(parents=True)
        second = index % A_FOLDER
        name = f"20240501_{second // 60:02d}{second % 60:02d}00.wav"
        (site / name).write_bytes(kinds[index % N_KINDS])


def decode_and_score_s(folder: Path, n: int) -> float:
    """Seconds a file of decoding and scoring alone, one after the other on one thread."""
    files = sorted(folder.rglob("*.wav"))[:n]
    bundle = read_bundle(shipped_path())
    with Detector(bundle) as detector:
        begun_s = time.perf_counter()
        for path in files:
            detector.scores(sf.read(path, dtype="float32")[0])
        return (time.perf_counter() - begun_s) / len(files)


def journal_figures(folder: Path, n: int) -> list[list[object]]:
    """Rows of the table about a journal of ``n`` recordings with two calls each."""
    events = tuple(Event("capuchinbird", t, t + 1.9, t + 0.8, 0.93) for t in (11.264, 96.128))
    recordings = [Recording(f"/season/{n}.wav", f"{n}.wav", 5_760_488, 1.7e9) for n in range(n)]
    path = folder / "journal.sqlite"
    with Journal(path) as journal:
        journal.begin(recordings, {})
        begun_s = time.perf_counter()
        for one in recordings:
            journal.add(FileResult(one, OK, "", 180.0, 180.0, events))
        added_s = time.perf_counter() - begun_s
        begun_s = time.perf_counter()
        n_read = sum(1 for _ in journal)
        read_s = time.perf_counter() - begun_s
    assert n_read == n
    return [
        [f"journal of {n:,} rows, bytes a row", f"{path.stat().st_size / n:.0f}", "", ""],
        ["the same, written, µs a row", f"{added_s / n * 1e6:.0f}", "", ""],
        ["the same, read for one table, µs a row", f"{read_s / n * 1e6:.0f}", "", ""],
    ]


def table_figures(folder: Path, n: int) -> list[list[object]]:
    """Row of the table about what is written at the end of a scan of ``n`` files."""
    began = datetime(2024, 5, 1, tzinfo=timezone.utc)
    paths = OutputPaths(folder / "written.csv")
    paths.folder.mkdir()
    events = (Event("capuchinbird", 0.1, 0.9, 0.5, 0.93),)
    with Journal(paths.journal) as journal:
        found = [Recording(f"/season/{i}.wav", f"{i}.wav", 32_044, 1.7e9) for i in range(n)]
        journal.begin(found, {})
        for i, one in enumerate(found):
            origin = Origin(began + timedelta(minutes=i % A_FOLDER), f"site{i // A_FOLDER:04d}")
            journal.add(FileResult(one, OK, "", 1.0, 1.0, events, origin=origin))
        begun_s = time.perf_counter()
        with ResultTables(paths, ["capuchinbird"], {"capuchinbird": (200.0, 3000.0)}, {}) as tables:
            for result in journal:
                tables.add(result)
        written_s = time.perf_counter() - begun_s
    return [[f"{n:,} files, tables written at the end, s", f"{written_s:.1f}", "8", "4"]]


def season_figures(folder: Path, n: int) -> list[list[object]]:
    """Rows of the table about scans of ``n`` files and a tenth of them."""
    peaks_mb = {}
    for size in (n // 10, n):
        season = folder / f"season{size}"
        make(season, size)
        command = [sys.executable, "-m", "counter.cli.main", "scan", str(season), "--no-plots"]
        command += ["--jobs", str(N_THREADS), "-o", str(folder / f"{size}.csv")]
        first = run_child(command, folder=folder)
        peaks_mb[size] = first.peak_mb
    alone_s = decode_and_score_s(folder / f"season{n}", n // 10) / N_THREADS
    again = run_child(command, folder=folder)
    a_file_ms = 1000 * first.wall_s / n
    growth_mb = peaks_mb[n] - peaks_mb[n // 10]
    return [
        [f"{n:,} files of 1 s, wall time a file, ms", f"{a_file_ms:.2f}", "", ""],
        ["decoding and scoring of one, 2 threads at best, ms", f"{1000 * alone_s:.2f}", "", ""],
        ["overhead a file, ms", f"{a_file_ms - 1000 * alone_s:.2f}", "3", "1"],
        [f"peak memory, {n // 10:,} files, MB", f"{peaks_mb[n // 10]:.0f}", "", ""],
        [f"growth of peak memory to {n:,} files, MB", f"{growth_mb:+.0f}", "100", "30"],
        ["resume of the finished run, s", f"{again.wall_s:.1f}", "15", "4"],
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.season", description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=100_000, help="files of the larger season")
    parser.add_argument("--journal-rows", type=int, default=1_000_000, help="rows of the journal")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = table_figures(Path(folder), given.n)
        rows += season_figures(Path(folder), given.n)
        rows += journal_figures(Path(folder), given.journal_rows)
    print(markdown_table(["figure", "measured", "bar", "aim"], rows))


if __name__ == "__main__":
    main()
