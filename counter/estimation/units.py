"""A finished scan, cut into stretches that a person can check one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.records import Event

# Long beside most calls, so that few lie across a border; short enough to count in one hearing.
STRETCH_S = 10.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Heard:
    """What a scan heard in one recording.

    Attributes
    ----------
    name : str
        The recording.
    scanned_s : float
        Seconds really scanned.
    events : tuple of Event
        Of any label.
    """

    name: str
    scanned_s: float
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Stretches:
    """All stretches of a season, in order of recording and time; arrays of shape (n_stretches,).

    Attributes
    ----------
    recording : tuple of str
        Name of the recording that each is cut from.
    start_s, end_s : array of float
        Seconds from the recording's start.
    model_count : array of float
        Events whose middle lies in it: start included, end not.
    score : array of float
        Highest score of those events, 0 where there is none.
    """

    recording: tuple[str, ...]
    start_s: Floats
    end_s: Floats
    model_count: Floats
    score: Floats

    def __len__(self) -> int:
        return len(self.recording)


def cut(season: Sequence[Heard], label: str, stretch_s: float = STRETCH_S) -> Stretches:
    """Cut every scanned recording into equal stretches of at most ``stretch_s`` seconds.

    Equal parts, so that no recording ends in a splinter. A recording of which nothing was scanned
    has none. Every event belongs to one stretch, so the model counts add up to the events.

    Parameters
    ----------
    season : sequence of Heard
        The recordings of a scan that did not fail; may be empty.
    label : str
        What is counted.
    stretch_s : float
        Longest stretch, seconds, > 0.
    """
    names: list[str] = []
    columns: list[Floats] = []
    for heard in season:
        if heard.scanned_s > 0:
            columns.append(_cut_one(heard, label, stretch_s))
            names += [heard.name] * columns[-1].shape[1]
    every = np.concatenate(columns, axis=1) if columns else np.zeros((4, 0))
    return Stretches(tuple(names), *every)


def _cut_one(heard: Heard, label: str, stretch_s: float) -> Floats:
    n_parts = max(1, math.ceil(heard.scanned_s / stretch_s - 1e-9))
    edges_s = np.linspace(0.0, heard.scanned_s, n_parts + 1)
    counts, scores = np.zeros((2, n_parts))
    for event in heard.events:
        if event.label == label:
            place = stretch_of(event, edges_s)
            counts[place] += 1
            scores[place] = max(scores[place], event.score)
    return np.stack([edges_s[:-1], edges_s[1:], counts, scores])


def stretch_of(event: Event, edges_s: Floats) -> int:
    """Index of the stretch that holds an event's middle; the first or last for one outside."""
    middle_s = (event.start_s + event.end_s) / 2
    place = int(np.searchsorted(edges_s, middle_s, side="right")) - 1
    return min(max(place, 0), len(edges_s) - 2)


def strata_codes(
    stretches: Stretches, stratum_of: Mapping[str, str]
) -> tuple[tuple[str, ...], Ints]:
    """Names of the strata, sorted, and the number of each stretch's stratum among them.

    Parameters
    ----------
    stretches : Stretches
        The season.
    stratum_of : mapping of str to str
        Stratum of each recording; holds every recording that has a stretch.
    """
    each = [stratum_of[name] for name in stretches.recording]
    names = tuple(sorted(set(each)))
    number = {name: code for code, name in enumerate(names)}
    return names, np.array([number[name] for name in each], np.int64)
