"""Counts of birds that no model has heard, laid into backgrounds that it has not heard either.

    python -m benchmarks.composites [--folds 5] [--seed 0] [--model mel] [--few] [--pieces] [-n 4]

The sources of the shared clips are parted into folds. For each fold a model is trained on the
others, rules and all, as ``callcount train`` trains; then the fold's calls are laid, at known
times and levels, into the shared forest recordings that hold no call and into the fold's own
backgrounds, and counted. So every bird is held out once. A level is that of the call in the
model's band over the background, as in training's made recordings; a call that was recorded with
more noise than that is laid well over the background. "Sparse" spreads its calls over the
recording, "dense" follows one with another after 0.6 to 4 s. Recordings are 180 s long with 0 to
22 calls, 11 on average.

``--few`` trains on 10 calls of 3 sources and 60 background clips of the others instead.
``--pieces`` lays a piece of the same call, 0.15 to 0.4 of it and up to 12 dB quieter, before every
second call where there is room; a piece is no call.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks.common import (
    FOREST_TRUTH,
    Score,
    Tally,
    forest_recordings,
    markdown_table,
    read_intervals,
    shared_clips,
    tally,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DURATION_S, LEAST_GAP_S, DENSE_GAP_S, MOST_CALLS = 180.0, 0.6, (0.6, 4.0), 22
LEVELS_DB = (20.0, 10.0, 5.0, 0.0, -5.0, -10.0)
# Levels that are told together.
TOGETHER = {"20 to 0": LEVELS_DB[:4], "-5": LEVELS_DB[4:5], "-10": LEVELS_DB[5:]}
BEDS, DENSITIES = ("forest", "clips"), ("sparse", "dense")
LOUDEST_DB = 30.0
FEW_CALLS, FEW_SOURCES, FEW_BACKGROUNDS = 10, 3, 60
Samples = Any
# Bed, density and level in dB of a composite.
Kind = tuple[str, str, float]


@dataclass(frozen=True)
class Composite:
    """A recording with known calls.

    Attributes
    ----------
    background, density : str
        What it is made of.
    level_db : float
        Of the calls over the bed.
    samples : array of float32, shape (n_samples,)
    calls : tuple of (start_s, end_s)
    """

    background: str
    density: str
    level_db: float
    samples: Samples
    calls: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Tools:
    """How loud things are in the model's band, and the dice."""

    front_end: Any
    rng: np.random.Generator
    pieces: np.random.Generator | None = None

    @property
    def rate_hz(self) -> int:
        """Rate of all samples."""
        return int(self.front_end.sample_rate_hz)

    def level(self, samples: Samples) -> float:
        """Root mean square in the band."""
        from training.augment.levels import band_level

        return band_level(samples, self.front_end)

    def gain(self, sound: Samples, bed_level: float, level_db: float) -> float:
        """Gain at which the call stands so far over the bed and its own noise."""
        from training.augment.levels import steady_power

        noise = steady_power(sound, self.front_end)
        call = self.level(sound) ** 2 - noise
        ratio = 10 ** (level_db / 10)
        loudest = bed_level**2 * 10 ** (LOUDEST_DB / 10) / (call + noise)
        spare = call - ratio * noise
        wanted = ratio * bed_level**2 / spare if spare > 0 else loudest
        return float(np.sqrt(min(wanted, loudest)))


def starts_s(lengths_s: Sequence[float], density: str, rng: np.random.Generator) -> list[float]:
    """Where calls of these lengths begin; the last may not fit in. None for no calls."""
    if not lengths_s:
        return []
    if density == "dense":
        gaps_s = rng.uniform(*DENSE_GAP_S, len(lengths_s))
        steps_s = np.array(lengths_s) + gaps_s
        room_s = max(DURATION_S - float(steps_s.sum()), 0)
        begins_s = rng.uniform(0, room_s) + np.concatenate([[0], np.cumsum(steps_s)[:-1]])
    else:
        room_s = DURATION_S - sum(lengths_s) - LEAST_GAP_S * len(lengths_s)
        cuts_s = np.sort(rng.uniform(0, max(room_s, 0), len(lengths_s)))
        before_s = np.concatenate([[0], np.cumsum(np.array(lengths_s) + LEAST_GAP_S)[:-1]])
        begins_s = cuts_s + before_s
    return [float(one) for one in begins_s]


def composite(
    background: Samples,
    kind: str,
    density: str,
    level_db: float,
    calls: Sequence[Any],
    tools: Tools,
) -> Composite:
    """Lay randomly drawn calls into a bed."""
    rng, rate_hz = tools.rng, tools.rate_hz
    chosen = [calls[rng.integers(len(calls))] for _ in range(rng.integers(MOST_CALLS + 1))]
    begins_s = starts_s([len(one) / rate_hz for one in chosen], density, rng)
    samples, laid, bed_level = background.copy(), [], tools.level(background)
    for sound, begin_s in zip(chosen, begins_s, strict=True):
        first = int(begin_s * rate_hz)
        if first + len(sound) > len(samples):
            continue
        samples[first : first + len(sound)] += sound * tools.gain(sound, bed_level, level_db)
        if tools.pieces is not None and tools.pieces.random() < 0.5:
            room = first - int(laid[-1][1] * rate_hz if laid else 0)
            lay_piece(samples[first - room : first], sound, (bed_level, level_db), tools)
        laid.append((first / rate_hz, (first + len(sound)) / rate_hz))
    return Composite(kind, density, level_db, samples, tuple(laid))


def lay_piece(room: Samples, sound: Samples, levels: tuple[float, float], tools: Tools) -> None:
    """Add a piece of a call to what stands before it, where it fits with 0.1 s on either side."""
    from training.augment.levels import call_extent

    rng = tools.pieces or tools.rng
    start, stop = call_extent(sound, tools.front_end)
    length = int(rng.uniform(0.15, 0.4) * (stop - start))
    first = start + int(rng.integers(stop - start - length + 1))
    apart, ahead = tools.rate_hz // 10, int(rng.uniform(0.1, 1.6) * tools.rate_hz)
    last = max(len(room) - ahead, length + apart)
    if last <= len(room) - apart:
        gain = tools.gain(sound, *levels) * 10 ** (-rng.uniform(0, 12) / 20)
        piece = sound[first : first + length] * np.hanning(length) ** 0.25
        room[last - length : last] += piece * gain


def forest_beds(rate_hz: int) -> list[Samples]:
    """The shared forest recordings without any call."""
    from counter.audio.stream import load

    truth = read_intervals(FOREST_TRUTH)
    silent = [path for path in forest_recordings() if path.name not in truth]
    return [_looped(load(path, rate_hz)[0], rate_hz) for path in silent]


def clip_bed(backgrounds: Sequence[Samples], tools: Tools) -> Samples:
    """Held-out background clips in random order, end to end."""
    parts: list[Samples] = []
    while sum(map(len, parts)) < DURATION_S * tools.rate_hz:
        parts.append(backgrounds[tools.rng.integers(len(backgrounds))])
    return _looped(np.concatenate(parts), tools.rate_hz)


def _looped(samples: Samples, rate_hz: int) -> Samples:
    return np.resize(samples, int(DURATION_S * rate_hz)).astype(np.float32)


def composites(
    held_out: Any, forest: Sequence[Samples], n: int, tools: Tools
) -> Iterator[Composite]:
    """``n`` recordings for each bed, density and level."""
    from training.data.clip_set import BACKGROUND

    calls = [clip.samples for clip in held_out.clips if clip.label != BACKGROUND]
    backgrounds = [clip.samples for clip in held_out.of(BACKGROUND)]
    for kind in BEDS:
        for density in DENSITIES:
            for level_db in LEVELS_DB:
                for _ in range(n):
                    background = (
                        forest[tools.rng.integers(len(forest))]
                        if kind == "forest"
                        else clip_bed(backgrounds, tools)
                    )
                    yield composite(background, kind, density, level_db, calls, tools)


def few_of(clips: Any, seed: int) -> Any:
    """10 calls of 3 sources and 60 backgrounds, at random."""
    from dataclasses import replace

    from training.data.clip_set import BACKGROUND

    rng = np.random.default_rng(seed)
    sources = {c.source for c in clips.clips if c.label != BACKGROUND}
    ample = sorted(s for s in sources if sum(c.source == s for c in clips.clips) >= 4)
    chosen = set(rng.choice(ample, FEW_SOURCES, replace=False))
    calls = [c for c in clips.clips if c.source in chosen]
    kept = [calls[i] for i in sorted(rng.choice(len(calls), FEW_CALLS, replace=False))]
    others = clips.of(BACKGROUND)
    backgrounds = [
        others[i] for i in sorted(rng.choice(len(others), FEW_BACKGROUNDS, replace=False))
    ]
    return replace(clips, clips=(*kept, *backgrounds))


def counter_of(settings: Any, name: str, known: Any) -> Any:
    """Train on the known clips as the command does; a function from samples to events."""
    from counter.events.decoding import smooth, spans
    from training.run import train_one

    run = train_one(settings, name, known, progress=lambda *_: lambda *_: None)
    rules, timebase = run.cross_fit.learned[0].rules, run.cross_fit.timebase

    def events(samples: Samples) -> list[tuple[float, float]]:
        scores = smooth(run.trained.scores(samples)[:, 0], rules.smooth_s, timebase)
        found = spans(scores, rules, timebase)
        return [(timebase.frame_start_s(a), timebase.frame_start_s(b)) for a, b in found]

    return events


def measure(arguments: argparse.Namespace) -> dict[Kind, list[Tally]]:
    """Train and count, fold by fold; tallies by bed, density and level."""
    from training.data.clip_sources import folds
    from training.settings.train_settings import TrainSettings

    settings = TrainSettings(seed=arguments.seed)
    front_end = settings.models[arguments.model]
    clips = shared_clips(front_end.sample_rate_hz)
    forest = forest_beds(front_end.sample_rate_hz)
    tallies: dict[Kind, list[Tally]] = {}
    for fold, (kept, held_out) in enumerate(folds(clips, arguments.folds, arguments.seed)):
        known = clips.subset(kept)
        known = few_of(known, arguments.seed + fold) if arguments.few else known
        events = counter_of(settings, arguments.model, known)
        pieces = np.random.default_rng([arguments.seed, fold, 1]) if arguments.pieces else None
        tools = Tools(front_end, np.random.default_rng([arguments.seed, fold]), pieces)
        for one in composites(clips.subset(held_out), forest, arguments.n, tools):
            of_kind = tallies.setdefault((one.background, one.density, one.level_db), [])
            name = f"fold {fold}, {len(of_kind)}"
            of_kind.append(tally(name, one.calls, events(one.samples)))
    return tallies


def report(tallies: dict[Kind, list[Tally]]) -> str:
    """A row for each bed, density and level; for each bed one for the levels told together."""
    rows = [
        [background, density, f"{level_db:.0f}", *_row(some)]
        for (background, density, level_db), some in tallies.items()
    ]
    for background, (name, levels_db) in product(BEDS, TOGETHER.items()):
        some = [
            one
            for (of_bed, _, level_db), of_kind in tallies.items()
            if of_bed == background and level_db in levels_db
            for one in of_kind
        ]
        rows.append([background, "both", name, *_row(some)])
    header = ["bed", "density", "level, dB", "recordings", "calls", "F1", "count error", "bias"]
    return markdown_table(header, rows)


def _row(tallies: Sequence[Tally]) -> list[str]:
    """Recordings, calls, F1, count error, bias."""
    one = Score(tuple(tallies))
    figures = [f"{one.f1:.3f}", f"{one.count_error:.2f}", f"{one.bias:+.2f}"]
    return [str(len(one.tallies)), str(one.n_truth), *figures]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.composites", description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="mel")
    parser.add_argument("--few", action="store_true", help="train on 10 calls and 60 backgrounds")
    parser.add_argument("--pieces", action="store_true", help="lay pieces of calls, no calls, too")
    parser.add_argument("-n", type=int, default=4, help="recordings of each kind and fold")
    given = parser.parse_args(arguments)
    print(report(measure(given)))


if __name__ == "__main__":
    main()
