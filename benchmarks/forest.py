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
from pathlib import Path

import numpy as np

from benchmarks.common import (
    FOREST,
    FOREST_TRUTH,
    MIN_IOU,
    Intervals,
    Score,
    forest_recordings,
    markdown_table,
    read_intervals,
    scan,
    tally,
)

NONE: Intervals = np.zeros((0, 2))


def score(model: Path | None) -> tuple[str, Score]:
    """Scan the forest recordings with one bundle (``None``: the shipped one) and score it.

    Returns
    -------
    (str, Score)
        The bundle's name and the start of its hash; a tally for each recording.
    """
    names = [path.name for path in forest_recordings()]
    truth = read_intervals(FOREST_TRUTH)
    with tempfile.TemporaryDirectory() as folder:
        one = scan(FOREST, Path(folder), model=model)
        found = read_intervals(one.events_csv)
    title = "shipped" if model is None else str(model)
    tallies = tuple(tally(name, truth.get(name, NONE), found.get(name, NONE)) for name in names)
    return f"{title} ({one.manifest['bundle']['hash'][:8]})", Score(tallies)


def summary(scores: Mapping[str, Score]) -> str:
    """Table of the figures: bar, aim and one row per model; the worst of several at the end."""
    rows: list[list[str]] = [["bar", "0.98", "", "", "0.06"], ["aim", "1.00", "", "", "0.00"]]
    for model, one in scores.items():
        figures = (one.f1, one.precision, one.recall, one.count_error)
        rows.append([model, *(f"{figure:.3f}" for figure in figures)])
    if len(scores) > 1:
        every = scores.values()
        worst = [min(getattr(one, key) for one in every) for key in ("f1", "precision", "recall")]
        errors = max(one.count_error for one in every)
        rows.append(
            ["worst (count error: bar 0.12, aim 0.04)", *(f"{x:.3f}" for x in (*worst, errors))]
        )
    return markdown_table(["model", "F1", "precision", "recall", "count error"], rows)


def differences(model: str, one: Score) -> str:
    """Table of the recordings whose count or pairs differ from the truth, or a line for none."""
    rows = [
        [tally.recording, tally.n_truth, tally.n_counted, tally.n_paired]
        for tally in one.tallies
        if not tally.n_truth == tally.n_counted == tally.n_paired
    ]
    if not rows:
        return f"{model}: every event of every recording agrees with the truth."
    table = markdown_table(["recording", "truth", "counted", f"paired at {MIN_IOU}"], rows)
    return f"{model}:\n\n{table}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the bundles given and print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.forest", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", action="append", type=Path, help="bundle; may be repeated (default: shipped)"
    )
    models = parser.parse_args(arguments).model or [None]
    scores = dict(score(model) for model in models)
    print("\n\n".join([summary(scores), *(differences(*one) for one in scores.items())]))


if __name__ == "__main__":
    main()
