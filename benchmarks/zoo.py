"""Animals that nothing was tuned on: half of each one's recordings learned, the others counted.

    python -m benchmarks.zoo [--animal NAME ...] [--calls all] [--seed 0] [--data FOLDER]
                             [--model KIND] [--keep FOLDER]

Every second recording of an animal, in order of name, is learned from by ``callcount train
--annotations``, the others are counted by ``callcount scan``; an animal with one recording is
learned from its first half and counted in its second. Nothing is set for any of them. ``--calls``
learns from the first so many calls alone, in the first recordings that hold them, each cut after
the last of them. ``--data`` names a folder of animals, each a folder with ``recordings`` and
``truth.csv``. ``--model`` trains that kind alone, instead of both and taking the better.

Events and calls are paired one to one at an intersection over union of 0.3 or more. Behind what was
counted stands what the training expects, error of a total and F1, how long it took and its memory.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile as sf
import yaml

from benchmarks.children import watch_child
from benchmarks.common import (
    CAPUCHIN,
    Intervals,
    Score,
    markdown_table,
    read_intervals,
    scan,
    tally,
)

ZOO = CAPUCHIN.parent / "zoo"
NONE: Intervals = np.zeros((0, 2))
HEADER = ("animal", "learned", "calls", "counted", "off", "F1", "MAE", "expected", "F1", "s", "MB")


@dataclass(frozen=True)
class Half:
    """Recordings with their calls."""

    folder: Path
    calls: Mapping[str, Intervals]  # by the recording's name; those without calls as well

    @property
    def n_calls(self) -> int:
        """Calls of all recordings."""
        return sum(map(len, self.calls.values()))

    def write_table(self) -> Path:
        """The calls as a table beside the recordings."""
        table = self.folder.with_suffix(".csv")
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("recording", "start_s", "end_s"))
            writer.writerows((name, *span) for name in self.calls for span in self.calls[name])
        return table


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording with the calls in it, counted from the recording's start."""

    path: Path
    start_s: float
    end_s: float
    calls: Intervals

    @classmethod
    def of(cls, path: Path, truth: Mapping[str, Intervals], span_s: tuple[float, float]) -> Piece:
        """The calls that lie whole in a stretch, in order."""
        calls = truth.get(path.name, NONE)
        inside = calls[(calls[:, 0] >= span_s[0]) & (calls[:, 1] <= span_s[1])]
        return cls(path, *span_s, inside[np.argsort(inside[:, 0])])

    def first(self, n_calls: int) -> Piece:
        """As far as the first so many calls, cut in the pause after them."""
        if n_calls >= len(self.calls):
            return self
        end_s = float(self.calls[n_calls - 1, 1] + self.calls[n_calls, 0]) / 2
        return replace(self, end_s=end_s, calls=self.calls[:n_calls])

    def put(self, folder: Path) -> tuple[str, Intervals]:
        """Name in the folder, where it is linked or cut, and calls from its own start."""
        if self.start_s == 0 and np.isinf(self.end_s):
            (folder / self.path.name).symlink_to(self.path.resolve())
            return self.path.name, self.calls
        samples, rate_hz = sf.read(self.path)
        stop = None if np.isinf(self.end_s) else int(self.end_s * rate_hz)
        name = self.path.with_suffix(".flac").name
        sf.write(folder / name, samples[int(self.start_s * rate_hz) : stop], rate_hz)
        return name, self.calls - self.start_s


def halves(animal: Path, folder: Path, n_calls: int | None) -> tuple[Half, Half]:
    """What is learned from, and what is counted; see the module."""
    truth = read_intervals(animal / "truth.csv")
    paths = sorted((animal / "recordings").iterdir())
    if len(paths) == 1:
        middle_s = float(np.median(truth[paths[0].name].mean(axis=1)))
        learned = [Piece.of(paths[0], truth, (0.0, middle_s))]
        counted = [Piece.of(paths[0], truth, (middle_s, np.inf))]
    else:
        learned, counted = (
            [Piece.of(path, truth, (0.0, np.inf)) for path in paths[side::2]] for side in (0, 1)
        )
    if n_calls is not None:
        learned = list(few(learned, n_calls))
    return half(learned, folder / "learned"), half(counted, folder / "counted")


def few(pieces: Sequence[Piece], n_calls: int) -> Iterator[Piece]:
    """The first pieces that hold so many calls together, the last of them cut."""
    for piece in pieces:
        if n_calls > 0 and len(piece.calls):
            yield piece.first(n_calls)
            n_calls -= len(piece.calls)


def half(pieces: Sequence[Piece], folder: Path) -> Half:
    """Pieces put into a folder of their own."""
    folder.mkdir(parents=True)
    return Half(folder, dict(piece.put(folder) for piece in pieces))


def config_of(model: str, half: Half, table: Path) -> dict[str, object]:
    """What ``callcount train`` would have chosen for this table, for one model alone."""
    from training.autoconfig import fit_to_calls
    from training.settings.train_settings import TrainSettings

    clips = {"annotations": str(table), "recordings": str(half.folder), "labels": {"animal": ()}}
    settings, _ = fit_to_calls(TrainSettings.model_validate({"clips": clips}))
    front_end = settings.models[model].model_dump(mode="json")
    return {"models": {model: front_end}, "fit": {"window_s": settings.fit.window_s}}


def measured(animal: Path, folder: Path, args: argparse.Namespace) -> tuple[object, ...]:
    """A row of the table."""
    n_calls = None if args.calls == "all" else int(args.calls)
    learned, counted = halves(animal, folder, n_calls)
    table = learned.write_table()
    command = [sys.executable, "-m", "counter.cli.main", "train", "--seed", str(args.seed)]
    command += ["--annotations", str(table), "--recordings", str(learned.folder)]
    if args.model is not None:
        config = folder / "config.yaml"
        text = yaml.safe_dump(config_of(args.model, learned, table))
        config.write_text(text, encoding="utf-8")
        command += ["--config", str(config)]
    run = folder / "models"
    # Code 1 says not to count with it yet; what it counts is measured all the same.
    trained = watch_child([*command, "--label", "animal", "-o", str(run)], folder=folder)
    if trained.code not in (0, 1):
        sys.exit(trained.stderr)
    found = scan(counted.folder, folder, model=run / "animal")
    events = read_intervals(found.events_csv)
    score = Score(
        tuple(tally(name, calls, events.get(name, NONE)) for name, calls in counted.calls.items())
    )
    off = (score.n_counted - score.n_truth) / max(score.n_truth, 1)
    return (
        animal.name,
        learned.n_calls,
        score.n_truth,
        score.n_counted,
        f"{off:+.0%}",
        f"{score.f1:.3f}",
        f"{score.count_error:.2f}",
        *expected(run / "animal"),
        f"{trained.wall_s:.0f}",
        f"{trained.peak_mb:.0f}",
    )


def expected(run: Path) -> tuple[str, str]:
    """What the training says of its better model: the error of a total to expect, and its F1."""
    default = yaml.safe_load((run / "default.yaml").read_text(encoding="utf-8"))["model"]
    bundle = yaml.safe_load((run / default / "bundle.yaml").read_text(encoding="utf-8"))
    found = bundle["provenance"]["rules_learned_on"]["animal"]
    return f"{found['total_error']:.0%}", f"{found['f1']:.3f}"


def main(argv: Sequence[str] | None = None) -> None:
    """Print a row for each animal."""
    first, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--animal", action="append", help="an animal of the folder; all by default")
    parser.add_argument("--calls", default="all", help="calls to learn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=ZOO, help="folder of animals")
    parser.add_argument("--model", help="kind to train alone, such as mel")
    parser.add_argument("--keep", type=Path, help="folder for what was made")
    args = parser.parse_args(argv)
    animals = sorted(path.parent for path in args.data.glob("*/truth.csv"))
    if not animals:
        sys.exit(f"No animals in {args.data}; this benchmark needs the shared data.")
    print(markdown_table(HEADER, []))
    with tempfile.TemporaryDirectory() as made:
        for animal in animals:
            if not args.animal or animal.name in args.animal:
                row = measured(animal, (args.keep or Path(made)) / animal.name, args)
                print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
