"""Accuracy on the 25 shared forest recordings.

    python -m benchmarks.forest [--model BUNDLE]...

Scans them by the command line, with the shipped bundle unless others are given, pairs events
with the truth one to one at an intersection over union of 0.3 or more (as many pairs as can be),
and prints F1, precision, recall and the mean absolute count error a recording; below it, the
recordings whose counts differ. ``--model`` may be repeated, as for three training seeds: one row
each, then the worst.

These recordings are scored only: nothing may be chosen by what this prints.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.common import (
    FOREST,
    FOREST_TRUTH,
    MIN_IOU,
    Intervals,
    forest_recordings,
    markdown_table,
    match,
    read_intervals,
    scan,
)

NONE: Intervals = np.zeros((0, 2))


@dataclass(frozen=True)
class Tally:
    """Calls of one recording: in the truth, counted, and paired."""

    recording: str
    n_truth: int
    n_counted: int
    n_paired: int


@dataclass(frozen=True)
class Score:
    """Tallies of all recordings by one model.

    Attributes
    ----------
    model : str
        Name of the bundle and the start of its hash.
    tallies : tuple of Tally
        One per recording, those without any call included.
    """

    model: str
    tallies: tuple[Tally, ...]

    @property
    def precision(self) -> float:
        """Share of the events that are calls, 0 to 1; 1 where there is no event."""
        return self._share(sum(tally.n_counted for tally in self.tallies))

    @property
    def recall(self) -> float:
        """Share of the calls that were found, 0 to 1; 1 where there is no call."""
        return self._share(sum(tally.n_truth for tally in self.tallies))

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, as 2 TP / (events + calls)."""
        return self._share(sum(tally.n_counted + tally.n_truth for tally in self.tallies) / 2)

    @property
    def count_error(self) -> float:
        """Mean over recordings of the absolute difference of counted and true calls."""
        return float(np.mean([abs(tally.n_counted - tally.n_truth) for tally in self.tallies]))

    def _share(self, whole: float) -> float:
        return sum(tally.n_paired for tally in self.tallies) / whole if whole else 1.0


def tally(truth: Mapping[str, Intervals], found: Mapping[str, Intervals], name: str) -> Tally:
    """Compare one recording's events with its truth; neither need hold it."""
    calls, events = truth.get(name, NONE), found.get(name, NONE)
    return Tally(name, len(calls), len(events), len(match(calls, events, min_iou=MIN_IOU)))


def score(model: Path | None) -> Score:
    """Scan the forest recordings with one bundle (``None``: the shipped one) and score it."""
    names = [path.name for path in forest_recordings()]
    truth = read_intervals(FOREST_TRUTH)
    with tempfile.TemporaryDirectory() as folder:
        one = scan(FOREST, Path(folder), model=model)
        found = read_intervals(one.events_csv)
    title = "shipped" if model is None else str(model)
    return Score(
        f"{title} ({one.manifest['bundle']['hash'][:8]})",
        tuple(tally(truth, found, name) for name in names),
    )


def summary(scores: Sequence[Score]) -> str:
    """Table of the figures: bar, aim and one row per model; the worst of several at the end."""
    rows: list[list[str]] = [["bar", "0.98", "", "", "0.06"], ["aim", "1.00", "", "", "0.00"]]
    for one in scores:
        figures = (one.f1, one.precision, one.recall, one.count_error)
        rows.append([one.model, *(f"{figure:.3f}" for figure in figures)])
    if len(scores) > 1:
        worst = [min(getattr(one, key) for one in scores) for key in ("f1", "precision", "recall")]
        errors = max(one.count_error for one in scores)
        rows.append(
            ["worst (count error: bar 0.12, aim 0.04)", *(f"{x:.3f}" for x in (*worst, errors))]
        )
    return markdown_table(["model", "F1", "precision", "recall", "count error"], rows)


def differences(one: Score) -> str:
    """Table of the recordings whose count or pairs differ from the truth, or a line for none."""
    rows = [
        [tally.recording, tally.n_truth, tally.n_counted, tally.n_paired]
        for tally in one.tallies
        if not tally.n_truth == tally.n_counted == tally.n_paired
    ]
    if not rows:
        return f"{one.model}: every event of every recording agrees with the truth."
    table = markdown_table(["recording", "truth", "counted", f"paired at {MIN_IOU}"], rows)
    return f"{one.model}:\n\n{table}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the bundles given and print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.forest", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", action="append", type=Path, help="bundle; may be repeated (default: shipped)"
    )
    models = parser.parse_args(arguments).model or [None]
    scores = [score(model) for model in models]
    print("\n\n".join([summary(scores), *(differences(one) for one in scores)]))


if __name__ == "__main__":
    main()
