"""Counts and pairs of every recording, and the figures that follow from their sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counter.events.matching import Criterion, IntArray, Intervals, Scene, TimeArray, pair

# Columns of ``Tallies.table``.
KINDS = ("true", "counted", "paired", "missed", "merged", "false", "split")
MEASURES = (
    "precision",
    "recall",
    "f1",
    "count_error",
    "count_bias",
    "share_exact",
    "count_correlation",
)
RESAMPLES = 2000
_BLOCK = 50


@dataclass(frozen=True)
class Tallies:
    """How many calls of each kind there are in every recording.

    Attributes
    ----------
    recordings, labels : tuple of str
        Names of the first two axes.
    table : array of int64, shape (n_recordings, n_labels, len(KINDS))
        ``true`` calls are paired, missed or merged; ``counted`` events are paired, false or
        split; see ``events.matching.Pairing``.
    """

    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    table: IntArray

    def of(self, label: str | None) -> IntArray:
        """Tallies of one label, or of all together, shape (n_recordings, len(KINDS))."""
        if label is None:
            return np.asarray(self.table.sum(axis=1))
        return self.table[:, self.labels.index(label)]

    def worst(self) -> list[int]:
        """Recordings with any error: largest count error first, then most errors, then in order."""
        table = self.of(None)
        errors = table[:, [KINDS.index(kind) for kind in ("missed", "merged", "false", "split")]]
        n_errors = errors.sum(axis=1)
        count_error = np.abs(table[:, 1] - table[:, 0])
        order = np.lexsort((np.arange(len(table)), -n_errors, -count_error))
        return [int(number) for number in order if n_errors[number]]


def compare(scene: Scene, criterion: Criterion) -> Tallies:
    """Pair the events of each recording and label with its true calls, and tally them."""
    shape = len(scene.recordings), len(scene.labels)
    table = tally(scene.events, scene.calls, criterion, shape[0] * shape[1])
    return Tallies(scene.recordings, scene.labels, table.reshape(*shape, -1))


def tally(events: Intervals, calls: Intervals, criterion: Criterion, n_groups: int) -> IntArray:
    """Pair events with true calls; how many of each kind, shape (n_groups, len(KINDS))."""
    pairing = pair(events, calls, criterion)
    every = [
        calls.group,
        events.group,
        calls.group[pairing.is_paired],
        calls.group[~pairing.is_paired & ~pairing.is_merged],
        calls.group[pairing.is_merged],
        events.group[(pairing.call_of < 0) & ~pairing.is_split],
        events.group[pairing.is_split],
    ]
    return np.stack([np.bincount(groups, minlength=n_groups) for groups in every], axis=1)


@dataclass(frozen=True)
class Measure:
    """A figure with its 95 % interval.

    Attributes
    ----------
    value : float or None
        The figure; ``None`` where it is not defined.
    low, high : float or None
        Percentiles 2.5 and 97.5 of the figure over resampled recordings; ``None`` with fewer
        than two recordings.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def measures(table: IntArray, *, seed: int = 0) -> dict[str, Measure]:
    """The figures of ``MEASURES`` for one label or all, over recordings.

    Parameters
    ----------
    table : array of int64, shape (n_recordings, len(KINDS))
        What ``Tallies.of`` gives; may hold no recording.
    seed : int
        Seed of the resampling.

    Returns
    -------
    dict of str to Measure
        ``precision`` paired / counted, 1 where nothing is counted; ``recall`` paired / true, 1
        where there is no call; ``f1`` 2 paired / (counted + true), 1 where there is neither:
        nothing found where nothing is, is right. With d = counted - true in each recording:
        ``count_error`` mean of abs(d), ``count_bias`` mean of d, ``share_exact`` share with
        d = 0, ``count_correlation`` Pearson's r of counted and true, not defined where either
        does not vary. Intervals are percentile bootstrap (Efron 1979), ``RESAMPLES`` times as
        many recordings drawn with replacement.
    """
    parts = _parts(table)
    values = figures_of(parts.sum(axis=0), len(table))
    if len(table) < 2:
        return {name: Measure(_defined(values[name])) for name in MEASURES}
    resampled = figures_of(_resampled_sums(parts, seed), len(table))
    intervals = {}
    for name in MEASURES:
        known = resampled[name][np.isfinite(resampled[name])]
        ends = np.percentile(known, [2.5, 97.5]).tolist() if len(known) else [None, None]
        value = _defined(values[name])
        intervals[name] = Measure(value, *(ends if value is not None else [None, None]))
    return intervals


def _defined(value: TimeArray) -> float | None:
    return float(value) if np.isfinite(value) else None


def sums_of(table: IntArray) -> TimeArray:
    """Sums over the recordings of a table of tallies that ``figures_of`` takes, shape (9,)."""
    sums: TimeArray = _parts(table).sum(axis=0)
    return sums


def _parts(table: IntArray) -> TimeArray:
    """What each recording adds to the sums that all figures follow from."""
    true, counted, paired = table[:, 0], table[:, 1], table[:, 2]
    excess = counted - true
    columns = [true, counted, paired, np.abs(excess), excess, excess == 0]
    columns += [true * true, counted * counted, true * counted]
    return np.stack(columns, axis=1).astype(np.float64)


def figures_of(sums: TimeArray, n: int) -> dict[str, TimeArray]:
    """The figures of ``MEASURES`` from sums over ``n`` recordings, shape (..., 9)."""
    true, counted, paired, absolute, excess, exact, tt, cc, tc = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((n * tt - true**2) * (n * cc - counted**2))
        return {
            "precision": np.where(counted > 0, paired / counted, 1.0),
            "recall": np.where(true > 0, paired / true, 1.0),
            "f1": np.where(true + counted > 0, 2 * paired / (true + counted), 1.0),
            "count_error": absolute / n if n else np.full_like(absolute, np.nan),
            "count_bias": excess / n if n else np.full_like(absolute, np.nan),
            "share_exact": exact / n if n else np.full_like(absolute, np.nan),
            "count_correlation": (n * tc - true * counted) / spread,
        }


def _resampled_sums(parts: TimeArray, seed: int) -> TimeArray:
    """Sums over recordings drawn with replacement, shape (RESAMPLES, n_parts)."""
    n = len(parts)
    rng = np.random.default_rng(seed)
    blocks = []
    for _ in range(RESAMPLES // _BLOCK):
        drawn = rng.integers(0, n, (_BLOCK, n)) + n * np.arange(_BLOCK)[:, None]
        times = np.bincount(drawn.ravel(), minlength=_BLOCK * n).reshape(_BLOCK, n)
        blocks.append(times @ parts)
    return np.concatenate(blocks)
