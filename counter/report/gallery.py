"""Gallery of a report: which events it shows, and the facts that stand beside each."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counter.estimation.corrected_counts import LeftEstimate
from counter.formats.event_clips import lot
from counter.report.event_media import Cutting, Found, data_uri
from counter.report.report_page import Card, CardGroup
from counter.report.report_tables import clock_text
from counter.tables.results import Results, ScannedRecording
from counter.tables.season import SumRow
from counter.timestamps import later


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
    share = choice.of_each(len(np.unique(results.event_table.label)))
    return tuple(
        group
        for place, label in enumerate(results.labels)
        if len(rows := np.flatnonzero(results.event_table.label == place))
        for group in _groups(results, label, rows.tolist(), share)
        if group.rows
    )


def _groups(
    results: Results, label: str, rows: list[int], share: GalleryChoice
) -> tuple[Group, ...]:
    score = results.event_table.score

    def best(row: int) -> tuple[float, int]:
        return -score[row], row

    if len(rows) <= share.top + share.random + share.near:
        title = f"All {len(rows)} events" if len(rows) > 1 else "The only event"
        return (Group(label, title, "Highest score first.", tuple(sorted(rows, key=best))),)

    def chance(row: int) -> bytes:
        recording = int(results.event_table.recording[row])
        first = int(np.searchsorted(results.event_table.recording, recording))
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


@dataclass(frozen=True)
class Model:
    """The model's card, and what is to be said of it.

    Attributes
    ----------
    card : str
        HTML that is safe; empty where there is none.
    note : str
        Why there is none, or what to know of it.
    """

    card: str
    note: str


@dataclass(frozen=True)
class ReportInputs:
    """All that a report is made of.

    Attributes
    ----------
    results : Results
        The scan.
    sums : mapping of str to sequence of SumRow
        By site, day and hour.
    estimates : sequence of LeftEstimate
        Corrected counts; may be empty.
    groups : sequence of Group
        Events to show.
    media : mapping of int to Cutting or str
        Each of these events to see and hear, or why it cannot be.
    model : Model
        The card.
    """

    results: Results
    sums: Mapping[str, Sequence[SumRow]]
    estimates: Sequence[LeftEstimate]
    groups: Sequence[Group]
    media: Found
    model: Model


def card_group(group: Group, material: ReportInputs) -> CardGroup:
    """The cards of a group, in its order."""
    of_label = f"{group.label}: " if len(material.results.labels) > 1 else ""
    cards = tuple(_card(row, material) for row in group.rows)
    return CardGroup(of_label + group.title, group.note, cards)


def _card(row: int, material: ReportInputs) -> Card:
    table, results = material.results.event_table, material.results
    one = results.recordings[table.recording[row]]
    start_s, end_s = float(table.start_s[row]), float(table.end_s[row])
    cut = material.media[row]
    card = Card(
        title=results.labels[table.label[row]],
        recording=one.name,
        facts=(f"{start_s:,.1f} to {end_s:,.1f} s", *_origin(one, start_s)),
        score=f"{table.score[row]:.4f}",
    )
    if not isinstance(cut, Cutting):
        return replace(card, missing=cut)
    length_s = cut.end_s - cut.start_s
    left = max(0.0, start_s - cut.start_s) / length_s * 100
    slowed = (f"slowed {cut.slowed} times",) if cut.slowed > 1 else ()
    return replace(
        card,
        facts=(*card.facts, *slowed),
        picture=data_uri("image/webp", cut.picture),
        sound=data_uri("audio/mpeg", cut.sound),
        seconds=f"{length_s:.3g} s",
        kilohertz=f"{cut.freq_max_hz / 1000:.3g} kHz",
        decibels=f"{cut.contrast.ends[0]} to {cut.contrast.ends[1]} dB",
        left=left,
        width=min(100 - left, (min(end_s, cut.end_s) - start_s) / length_s * 100),
    )


def _origin(one: ScannedRecording, start_s: float) -> list[str]:
    """When and where an event was heard, as far as that is known."""
    start = one.origin.start
    parts = (clock_text(start and later(start, start_s)), one.origin.site)
    return [one for one in parts if one]


def gallery_note(material: ReportInputs) -> str:
    """What to know where sounds are missing; empty where all are there."""
    wanted = {row for group in material.groups for row in group.rows}
    n_missing = sum(not isinstance(material.media[row], Cutting) for row in wanted)
    if not n_missing:
        return ""
    fix = "Name the folder that they are in now with --audio, and make the report again."
    if n_missing == len(wanted):
        return (
            f"The recordings are no longer where they were scanned, so nothing can be heard. {fix}"
        )
    return f"{n_missing} of {len(wanted)} events cannot be heard: their recordings are gone. {fix}"
