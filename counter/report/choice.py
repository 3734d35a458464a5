"""Which events a report shows: the highest scores, some drawn by chance, and the doubtful ones."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from counter.output.eventclips import lot
from counter.output.reading import Results


@dataclass(frozen=True)
class GalleryChoice:
    """How many events are shown, shared out among the labels that have any; of each at least one.

    Attributes
    ----------
    top, random, near : int
        Of highest score, drawn by chance, and closest above the threshold; 0 for none.
    seed : int
        Seed of the draw: that of ``scan --clips-by random`` draws the same events.
    """

    top: int
    random: int
    near: int
    seed: int

    def of_each(self, n_labels: int) -> GalleryChoice:
        """What one of so many labels gets."""
        n = max(n_labels, 1)
        return GalleryChoice(-(-self.top // n), -(-self.random // n), -(-self.near // n), self.seed)


@dataclass(frozen=True)
class Group:
    """Events that are shown together.

    Attributes
    ----------
    label : str
        What they are.
    title, note : str
        What they have in common, and how to read them.
    rows : tuple of int
        Places in the results' table of events, in the order shown.
    """

    label: str
    title: str
    note: str
    rows: tuple[int, ...]


def choose_events(results: Results, choice: GalleryChoice) -> tuple[Group, ...]:
    """The groups of each label that has events; all of its events where they are few enough."""
    share = choice.of_each(len(np.unique(results.events.label)))
    return tuple(
        group
        for place, label in enumerate(results.labels)
        if len(rows := np.flatnonzero(results.events.label == place))
        for group in _groups(results, label, rows.tolist(), share)
        if group.rows
    )


def _groups(
    results: Results, label: str, rows: list[int], share: GalleryChoice
) -> tuple[Group, ...]:
    score = results.events.score

    def best(row: int) -> tuple[float, int]:
        return -score[row], row

    if len(rows) <= share.top + share.random + share.near:
        title = f"All {len(rows)} events" if len(rows) > 1 else "The only event"
        return (Group(label, title, "Highest score first.", tuple(sorted(rows, key=best))),)

    def chance(row: int) -> bytes:
        recording = int(results.events.recording[row])
        first = int(np.searchsorted(results.events.recording, recording))
        return lot(share.seed, results.recordings[recording].name, row - first + 1)

    def doubtful(row: int) -> tuple[float, int]:
        return score[row], row

    drawn = f"Each event was as likely to be drawn as any other (seed {share.seed}): the share "
    drawn += "of these that are no calls is what to expect of all."
    near = "Lowest score first: here a wrong count is most likely."
    return (
        Group(label, "Drawn by chance", drawn, _least(rows, share.random, chance)),
        Group(label, "Just above the threshold", near, _least(rows, share.near, doubtful)),
        Group(label, "Highest scores", "Highest score first.", _least(rows, share.top, best)),
    )


def _least(rows: list[int], n: int, key: Callable[[int], Any]) -> tuple[int, ...]:
    return tuple(heapq.nsmallest(n, rows, key=key))
