"""Speed of a scan, beside decoding alone and beside the tutorial recipe, in one run.

    python -m benchmarks.speed [--rounds 3] [--part mp3 --part wav --part cold --part plots]
                               [--model BUNDLE]

Every round measures all parts in turn, so that a busy moment of the machine falls on all alike;
ratios are taken within a round. The table gives the median over rounds and, in brackets, the
smallest and largest. Two threads throughout, every measurement in a process of its own.

mp3    the 25 forest recordings (48 kHz stereo): decoding alone, ``callcount scan``, and the
       tutorial recipe on three of them
wav    1 h of 48 kHz mono WAV, made on the spot: as one file, and as 20 files of 3 minutes; the
       tutorial recipe on three of those
cold   ``callcount scan`` of one 180 s mp3, the interpreter's start included, median of 7
plots  the 25 with plots over without

"scan" is the wall time in the manifest, as decoding alone is timed inside its process; "process"
is the whole command, the interpreter's start and imports included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import run_child
from benchmarks.common import FOREST, Scan, forest_recordings, markdown_table, scan
from benchmarks.sound import split_wav, write_wav

HOUR_S = 3600
N_COLD = 7
N_TUTORIAL = 3
Figures = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """Where a run works and with which bundle.

    Attributes
    ----------
    folder : Path
        Temporary folder; every scan's results go into a new one below it.
    model : Path or None
        The bundle; ``None`` is the shipped one.
    """

    folder: Path
    model: Path | None

    def scan(self, path: Path, *, plots: bool = False) -> Scan:
        """Scan with 2 jobs in a process of its own."""
        return scan(path, self.folder, model=self.model, plots=plots)

    @property
    def hour(self) -> Path:
        """The hour of WAV, 48 kHz mono, in a folder that holds nothing else."""
        return self.folder / "hour" / "hour.wav"

    @property
    def parts(self) -> Path:
        """The folder with the same hour in 20 files."""
        return self.folder / "parts"


@dataclass(frozen=True)
class Row:
    """A figure of the table: its key in a round's figures, its title, bar and aim."""

    part: str
    key: str
    title: str
    bar: str = ""
    aim: str = ""


ROWS = (
    Row("mp3", "decode_s", "25 mp3, decoding alone, s"),
    Row("mp3", "scan_s", "25 mp3, scan, s"),
    Row("mp3", "process_s", "25 mp3, process, s"),
    Row("mp3", "scan_x", "25 mp3, scan, times real time"),
    Row("mp3", "tutorial_x", "mp3, tutorial recipe, times real time"),
    Row("mp3", "scan_over_decode", "25 mp3, scan over decoding alone", "<= 1.7", "<= 1.4"),
    Row("mp3", "process_over_decode", "25 mp3, process over decoding alone"),
    Row("mp3", "faster", "25 mp3, scan, times as fast as the tutorial", ">= 18", ">= 25"),
    Row("mp3", "process_faster", "25 mp3, process, times as fast as the tutorial"),
    Row("wav", "hour_x", "1 h WAV, one file, scan, times real time"),
    Row("wav", "parts_x", "1 h WAV, 20 files, scan, times real time"),
    Row("wav", "wav_tutorial_x", "WAV, tutorial recipe, times real time"),
    Row("wav", "hour_faster", "1 h WAV, one file, times the tutorial's speed", ">= 40", ">= 70"),
    Row("wav", "parts_faster", "1 h WAV, 20 files, times the tutorial's speed", ">= 40", ">= 70"),
    Row("cold", "cold_s", "one 180 s mp3, cold start, process, s", "<= 2.0", "<= 1.2"),
    Row("plots", "plots_over", "25 mp3, process with plots over without", "<= 1.25"),
)


def measure_mp3(bench: Bench) -> Figures:
    """Decode alone, scan, and run the tutorial recipe."""
    decoded = _child_figures("benchmarks.decode", forest_recordings())
    one = bench.scan(FOREST)
    tutorial_x = _tutorial_x(forest_recordings()[::8][:N_TUTORIAL])
    process_x = one.audio_s / one.child.wall_s
    return {
        "decode_s": decoded["wall_s"],
        "scan_s": one.wall_s,
        "process_s": one.child.wall_s,
        "scan_x": one.audio_s / one.wall_s,
        "tutorial_x": tutorial_x,
        "scan_over_decode": one.wall_s / decoded["wall_s"],
        "process_over_decode": one.child.wall_s / decoded["wall_s"],
        "faster": one.audio_s / one.wall_s / tutorial_x,
        "process_faster": process_x / tutorial_x,
    }


def measure_wav(bench: Bench) -> Figures:
    """Scan an hour of WAV in one file and in many; the files are made in the first round."""
    if not bench.hour.exists():
        bench.hour.parent.mkdir()
        bench.parts.mkdir()
        write_wav(bench.hour, rate_hz=48_000, duration_s=HOUR_S, n_tiles=20)
        split_wav(bench.hour, bench.parts, n_parts=20)
    hour, parts = bench.scan(bench.hour), bench.scan(bench.parts)
    tutorial_x = _tutorial_x(sorted(bench.parts.iterdir())[:N_TUTORIAL])
    hour_x, parts_x = hour.audio_s / hour.wall_s, parts.audio_s / parts.wall_s
    return {
        "hour_x": hour_x,
        "parts_x": parts_x,
        "wav_tutorial_x": tutorial_x,
        "hour_faster": hour_x / tutorial_x,
        "parts_faster": parts_x / tutorial_x,
    }


def measure_cold(bench: Bench) -> Figures:
    """Scan one recording from a cold start, several times."""
    recording = forest_recordings()[0]
    return {"cold_s": statistics.median(bench.scan(recording).child.wall_s for _ in range(N_COLD))}


def measure_plots(bench: Bench) -> Figures:
    """Scan with and without plots."""
    with_plots = bench.scan(FOREST, plots=True).child.wall_s
    return {"plots_over": with_plots / bench.scan(FOREST).child.wall_s}


PARTS: dict[str, Callable[[Bench], Figures]] = {
    "mp3": measure_mp3,
    "wav": measure_wav,
    "cold": measure_cold,
    "plots": measure_plots,
}


def _tutorial_x(files: Sequence[Path]) -> float:
    figures = _child_figures("benchmarks.tutorial", files, "--json")
    return figures["audio_s"] / figures["wall_s"]


def _child_figures(module: str, files: Sequence[Path], *options: str) -> Figures:
    command = [sys.executable, "-m", module, "--threads", "2", *options, *map(str, files)]
    figures: Figures = json.loads(run_child(command).stdout)
    return figures


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def report(parts: Sequence[str], samples: dict[str, list[float]]) -> str:
    """The table: bar, aim, median and range of every figure of the parts measured."""
    rows = []
    for row in ROWS:
        if row.part in parts:
            values = samples[row.key]
            middle, least, most = map(_short, (statistics.median(values), min(values), max(values)))
            rows.append([row.title, row.bar, row.aim, f"{middle} ({least} to {most})"])
    return markdown_table(["figure", "bar", "aim", "measured"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="default: all")
    parser.add_argument("--model", type=Path, help="bundle (default: shipped)")
    given = parser.parse_args(arguments)
    parts = given.part or list(PARTS)
    for recording in forest_recordings():
        recording.read_bytes()  # so that the first round does not pay for the disk alone
    samples: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for part in parts:
                for key, value in PARTS[part](Bench(Path(folder), given.model)).items():
                    samples[key].append(value)
    print(report(parts, samples))


if __name__ == "__main__":
    main()
