"""What the benchmarks share: the data, scans, events against the truth, tables.

Nothing to run here; see ``forest.py``, ``speed.py``, ``memory.py`` and ``tutorial.py``.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]
from scipy.sparse.csgraph import (  # type: ignore[import-untyped]
    maximum_bipartite_matching,
)

from benchmarks.children import ROOT, Child, run_child

CAPUCHIN = ROOT.parent / "shared" / "data" / "capuchin"
FOREST = CAPUCHIN / "Forest Recordings"
FOREST_TRUTH = CAPUCHIN / "forest_truth.csv"
MIN_IOU = 0.3

Intervals = NDArray[np.float64]


@dataclass(frozen=True)
class Scan:
    """A finished ``callcount scan``.

    Attributes
    ----------
    child : Child
        The process.
    manifest : dict
        Its ``manifest.json``.
    events_csv : Path
        Its table of events.
    """

    child: Child
    manifest: dict[str, Any]
    events_csv: Path

    @property
    def wall_s(self) -> float:
        """Wall time inside the process, the interpreter's start left out, seconds."""
        return float(self.manifest["wall_s"])

    @property
    def audio_s(self) -> float:
        """Length of the sound that was scanned, seconds."""
        return float(self.manifest["audio_s"])


def forest_recordings() -> list[Path]:
    """The shared forest recordings in name order; leave with a message where there are none."""
    recordings = sorted(FOREST.glob("*.mp3"))
    if not recordings:
        sys.exit(f"No recordings in {FOREST}; this benchmark needs the shared data.")
    return recordings


def scan(path: Path | str, folder: Path, *, model: Path | None = None, plots: bool = False) -> Scan:
    """Scan a file or folder with 2 jobs by the command line, in a process of its own.

    Parameters
    ----------
    path : Path or str
        What to scan; a URL as text.
    folder : Path
        Where a new folder for the results is made. The scan also runs there: a model lying in
        ``./artifacts`` would otherwise stand in for the shipped one.
    model : Path, optional
        The bundle; the shipped one by default.
    plots : bool
        Whether plots are drawn.
    """
    out = Path(tempfile.mkdtemp(dir=folder)).resolve()
    command = [sys.executable, "-m", "counter.cli.main", "scan"]
    command += [path if isinstance(path, str) else str(path.resolve())]
    command += ["-o", str(out / "results.csv"), "--jobs", "2"]
    command += ["--plots" if plots else "--no-plots"]
    command += [] if model is None else ["--model", str(model.resolve())]
    child = run_child(command, folder=out)
    manifest = json.loads((out / "results" / "manifest.json").read_text(encoding="utf-8"))
    return Scan(child, manifest, out / "results" / "events.csv")


def read_intervals(path: Path) -> dict[str, Intervals]:
    """Read ``recording,start_s,end_s`` (other columns are passed over) as arrays (n, 2)."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["recording"]].append((float(row["start_s"]), float(row["end_s"])))
    return {name: np.array(intervals) for name, intervals in found.items()}


def overlap(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair of intervals, 0 to 1.

    Parameters
    ----------
    reference, estimate : array, shapes (n, 2) and (m, 2)
        Start and end of each interval, seconds; either may be empty.

    Returns
    -------
    array, shape (n, m)
        Two intervals of no length have an overlap of 0.
    """
    first = np.asarray(reference, dtype=np.float64).reshape(-1, 1, 2)
    second = np.asarray(estimate, dtype=np.float64).reshape(1, -1, 2)
    ends = np.minimum(first[..., 1], second[..., 1])
    shared = np.maximum(0.0, ends - np.maximum(first[..., 0], second[..., 0]))
    union = np.ptp(first, axis=2) + np.ptp(second, axis=2) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match(
    reference: ArrayLike, estimate: ArrayLike, *, min_iou: float = MIN_IOU
) -> list[tuple[int, int]]:
    """Pair as many intervals as can be, one to one, each pair overlapping by ``min_iou`` or more.

    Parameters
    ----------
    reference, estimate : array, shapes (n, 2) and (m, 2)
        Start and end of each interval, seconds; either may be empty.
    min_iou : float
        Least intersection over union of a pair, above 0 to 1.

    Returns
    -------
    list of (int, int)
        Index in ``reference`` and in ``estimate``, in order of the first. The number of pairs is
        the largest there is (a maximum bipartite matching, as in ``mir_eval.util``).
    """
    allowed = overlap(reference, estimate) >= min_iou
    if not allowed.any():
        return []
    graph = csr_array(allowed.astype(np.int8))
    partners = maximum_bipartite_matching(graph, perm_type="column")
    return [(row, int(partner)) for row, partner in enumerate(partners) if partner >= 0]


@dataclass(frozen=True)
class Tally:
    """Calls of one recording: in the truth, counted, and paired."""

    recording: str
    n_truth: int
    n_counted: int
    n_paired: int


def tally(recording: str, calls: ArrayLike, events: ArrayLike) -> Tally:
    """Compare one recording's events with its calls, both (start_s, end_s); either may be empty."""
    n_truth, n_counted = len(np.asarray(calls)), len(np.asarray(events))
    return Tally(recording, n_truth, n_counted, len(match(calls, events)))


@dataclass(frozen=True)
class Score:
    """What the tallies of recordings come to, those without any call included; at least one."""

    tallies: tuple[Tally, ...]

    @property
    def n_truth(self) -> int:
        """Calls in the truth."""
        return sum(tally.n_truth for tally in self.tallies)

    @property
    def n_counted(self) -> int:
        """Events."""
        return sum(tally.n_counted for tally in self.tallies)

    @property
    def precision(self) -> float:
        """Share of the events that are calls, 0 to 1; 1 where there is no event."""
        return self._share(self.n_counted)

    @property
    def recall(self) -> float:
        """Share of the calls that were found, 0 to 1; 1 where there is no call."""
        return self._share(self.n_truth)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, as 2 TP / (events + calls)."""
        return self._share((self.n_counted + self.n_truth) / 2)

    @property
    def count_error(self) -> float:
        """Mean over recordings of the absolute difference of counted and true calls."""
        return float(np.mean([abs(tally.n_counted - tally.n_truth) for tally in self.tallies]))

    @property
    def bias(self) -> float:
        """Mean over recordings of counted less true calls."""
        return (self.n_counted - self.n_truth) / len(self.tallies)

    def _share(self, whole: float) -> float:
        return sum(tally.n_paired for tally in self.tallies) / whole if whole else 1.0


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; numbers stand as they are given."""
    lines = [list(header), ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shared_clips(rate_hz: int) -> Any:
    """The shared Capuchinbird clips at a rate."""
    from training.data.clip_sources import read_clips
    from training.settings.train_settings import ClipSettings

    labels = {"capuchinbird": str(CAPUCHIN / "Parsed_Capuchinbird_Clips")}
    background = str(CAPUCHIN / "Parsed_Not_Capuchinbird_Clips")
    given = ClipSettings(labels=labels, background=background)
    return read_clips(given, rate_hz)
