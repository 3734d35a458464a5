"""Speed of ``callcount evaluate`` on a season: 10,000 recordings, 1,000,000 events.

    python -m benchmarks.evaluate [--recordings N] [--events N] [--scores]

Makes results and a truth (calls of 1.5 to 4 s every 6 s on average; one event in 20 is false, the
others lie within half a second), runs the command in a process of its own, and prints its time
and peak memory. With ``--scores`` kept scores (1,700 h at 128 ms a frame) lie beside the results,
and the figures are drawn against the threshold as well. All is made in a temporary folder
(TMPDIR) and deleted afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.children import Child, run_child
from benchmarks.common import markdown_table
from counter.events.rules import EventRules
from counter.tables.scores import write_scores

LABEL = "bird"
EVERY_S = 6.0
BAR_S, AIM_S = 60, 15
FRAME_SAMPLES, RATE_HZ = 1024, 8000


def make(folder: Path, n_recordings: int, n_events: int, *, with_scores: bool) -> tuple[Path, Path]:
    """Write results of a scan and the truth beside them; both tables."""
    rng = np.random.default_rng(0)
    names = np.array([f"site {n % 20:02d}/{n:05d}.wav" for n in range(n_recordings)])
    each = -(-n_events // n_recordings)
    n = n_recordings * each
    place = np.repeat(np.arange(n_recordings), each)
    start_s = np.tile(EVERY_S * np.arange(each), n_recordings) + rng.uniform(0, 1, n)
    times_s = np.stack([start_s, start_s + rng.uniform(1.5, 4, n)], axis=1)
    calls = pd.DataFrame(times_s, columns=["start_s", "end_s"])
    calls.insert(0, "recording", names[place])
    calls[rng.random(n) > 0.05].round(3).to_csv(folder / "truth.csv", index=False)
    found_s = times_s + rng.uniform(0, 0.5, (n, 2))
    (folder / "results").mkdir()
    _write_events(folder / "results" / "events.csv", names[place], found_s)
    length_s = EVERY_S * each + 10
    columns = {"calls": each, "duration_s": length_s, "scanned_s": length_s, "calls_per_hour": 0}
    rows = pd.DataFrame({"recording": names, **columns, "status": "ok", "message": ""})
    rows.to_csv(folder / "results.csv", index=False)
    _write_manifest(folder / "results" / "manifest.json")
    if with_scores:
        by_recording = found_s.reshape(n_recordings, each, 2)
        _write_scores(folder / "results" / "scores.npz", names.tolist(), by_recording, length_s)
    return folder / "results.csv", folder / "truth.csv"


def _write_events(path: Path, names: NDArray[np.str_], found_s: NDArray[np.float64]) -> None:
    columns = {
        "recording": names,
        "event": 1,
        "label": LABEL,
        "start_s": found_s[:, 0],
        "end_s": found_s[:, 1],
        "peak_s": found_s.mean(axis=1),
        "score": 0.9,
        "low_hz": 200.0,
        "high_hz": 3000.0,
    }
    pd.DataFrame(columns).round(3).to_csv(path, index=False)


def _write_manifest(path: Path) -> None:
    data = {
        "made_by": "callcount",
        "bundle": {"path": "made", "name": "made", "hash": "made", "which": "made"},
        "settings": {"rules": {LABEL: EventRules().model_dump()}},
    }
    path.write_text(json.dumps(data), encoding="utf-8")


def _write_scores(
    path: Path, names: Sequence[str], found_s: NDArray[np.float64], length_s: float
) -> None:
    """Scores that are low and restless, and high where something was found."""
    rng = np.random.default_rng(1)
    spec = SimpleNamespace(labels=(LABEL,), sample_rate_hz=RATE_HZ, frame_samples=FRAME_SAMPLES)
    bundle: Any = SimpleNamespace(spec=spec, sha256="made")
    n_frames = -(-int(length_s * RATE_HZ) // FRAME_SAMPLES)
    middle_s = (np.arange(n_frames) + 0.5) * FRAME_SAMPLES / RATE_HZ
    with write_scores(path, bundle) as add:
        for name, spans_s in zip(names, found_s, strict=True):
            begun = np.searchsorted(spans_s[:, 0], middle_s)
            over = np.searchsorted(np.sort(spans_s[:, 1]), middle_s)
            logits = rng.normal(-6, 2, n_frames) + 9 * (begun - over)
            add(name, (1 / (1 + np.exp(-logits[:, None]))).astype(np.float32))


def measure(n_recordings: int, n_events: int, *, with_scores: bool) -> Child:
    """Make everything and run the command once."""
    with tempfile.TemporaryDirectory() as folder:
        results, truth = make(Path(folder), n_recordings, n_events, with_scores=with_scores)
        command = [sys.executable, "-m", "counter.cli.main", "evaluate", str(results)]
        return run_child([*command, "--truth", str(truth)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--scores", action="store_true", help="with kept scores as well")
    given = parser.parse_args(arguments)
    child = measure(given.recordings, given.events, with_scores=given.scores)
    header = ["recordings", "events", "kept scores", "wall, s", "peak, MB", "bar, s", "aim, s"]
    kept = "yes" if given.scores else "no"
    figures = [f"{child.wall_s:.1f}", f"{child.peak_mb:.0f}", BAR_S, AIM_S]
    print(markdown_table(header, [[given.recordings, given.events, kept, *figures]]))


if __name__ == "__main__":
    main()
