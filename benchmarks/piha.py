"""Leave one recording out on the Screaming Piha: six recordings with 158 marked calls.

    python -m benchmarks.piha [--seed 0] [--model mel] [--keep FOLDER]

For each recording, ``callcount train --annotations`` learns from the other five alone (band, rate,
network and event rules), and ``callcount scan`` counts the one left out; nothing is set by hand.
``--model`` trains one kind of model alone, in half the time, instead of both and taking the better.
Events and calls are paired one to one at an intersection over union of 0.3 or more. Prints a row a
recording; the figure is the event F1 of all recordings together.

The calls are of two kinds that are marked alike: notes of 0.3 to 1 s near 1 kHz, and the song of
about 2 s between 1.3 and 5.5 kHz, which mostly follows a note without a pause. The table tells
them apart by their length, 1.3 s.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from benchmarks.common import (
    CAPUCHIN,
    Intervals,
    Score,
    Tally,
    markdown_table,
    match,
    read_intervals,
    run_child,
    scan,
    tally,
)

PIHA = CAPUCHIN.parent / "piha"
TRUTH = PIHA / "truth.csv"
LABEL, SONG_S = "piha", 1.3
NONE: Intervals = np.zeros((0, 2))


@dataclass(frozen=True)
class LeftOut:
    """One recording, counted by a model that had not met it.

    Attributes
    ----------
    tally : Tally
        Calls, events and pairs.
    kinds : tuple of str
        Notes and songs that were found, of all.
    merged : int
        Events in which the middles of two calls or more lie.
    """

    tally: Tally
    kinds: tuple[str, str]
    merged: int


@dataclass(frozen=True)
class How:
    """Where models go, their seed, and the one kind that is trained (``None`` for both)."""

    folder: Path
    seed: int
    model: str | None


def config_of(model: str, table: Path) -> dict[str, object]:
    """What ``callcount train`` would have chosen for this table, for one model alone."""
    from training.autoconfig import fit_to_calls
    from training.settings.train_settings import TrainSettings

    clips = {"annotations": str(table), "recordings": str(PIHA), "labels": {LABEL: ()}}
    settings, _ = fit_to_calls(TrainSettings.model_validate({"clips": clips}))
    front_end = settings.models[model].model_dump(mode="json")
    return {"models": {model: front_end}, "fit": {"window_s": settings.fit.window_s}}


def train_without(name: str, how: How) -> Path:
    """Train on all recordings but one, by the command; the folder of the run."""
    folder = how.folder
    table = folder / f"without {name}.csv"
    with TRUTH.open(newline="", encoding="utf-8") as file, table.open("w", newline="") as kept:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(kept, reader.fieldnames or [])
        writer.writeheader()
        writer.writerows(row for row in reader if row["recording"] != name)
    command = [sys.executable, "-m", "counter.cli.main", "train", "--seed", str(how.seed)]
    command += ["--annotations", str(table), "--recordings", str(PIHA), "--label", LABEL]
    if how.model is not None:
        config = table.with_suffix(".yaml")
        config.write_text(yaml.safe_dump(config_of(how.model, table)), encoding="utf-8")
        command += ["--config", str(config)]
    output = folder / Path(name).stem
    run_child([*command, "-o", str(output)], folder=folder)
    return output / LABEL


def leave_out(name: str, calls: Intervals, how: How) -> LeftOut:
    """Train on the others and count this one."""
    found = scan(PIHA / name, how.folder, model=train_without(name, how))
    events = read_intervals(found.events_csv).get(name, NONE)
    is_found = np.zeros(len(calls), dtype=bool)
    is_found[[call for call, _ in match(calls, events)]] = True
    is_song = np.ptp(calls, axis=1) > SONG_S
    middles = calls.mean(axis=1)
    held = [int(np.sum((middles >= start) & (middles < end))) for start, end in events]
    return LeftOut(
        tally(name, calls, events),
        tuple(f"{is_found[kind].sum()}/{kind.sum()}" for kind in (~is_song, is_song)),
        sum(n > 1 for n in held),
    )


def report(results: Sequence[LeftOut]) -> str:
    """A row a recording, and all together."""
    header = ["recording", "calls", "events", "paired", "notes", "songs", "merged", "F1"]
    rows = []
    for one in results:
        counts = (one.tally.n_truth, one.tally.n_counted, one.tally.n_paired)
        f1 = f"{Score((one.tally,)).f1:.3f}"
        rows.append([one.tally.recording, *counts, *one.kinds, one.merged, f1])
    score = Score(tuple(one.tally for one in results))
    figures = (score.n_truth, score.n_counted, sum(one.tally.n_paired for one in results))
    rows.append(["all (bar 0.75, aim 0.90)", *figures, "", "", "", f"{score.f1:.3f}"])
    return markdown_table(header, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Leave every recording out once and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.piha", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", choices=("mel", "spectrogram"), help="train this one alone")
    parser.add_argument("--keep", type=Path, help="keep models and results here (default: nowhere)")
    given = parser.parse_args(arguments)
    if not TRUTH.is_file():
        sys.exit(f"No {TRUTH}; this benchmark needs the shared data.")
    calls = read_intervals(TRUTH)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        how = How(folder.resolve(), given.seed, given.model)
        print(report([leave_out(name, calls[name], how) for name in sorted(calls)]))


if __name__ == "__main__":
    main()
