"""The gallery of a report: what is said of each event."""

from __future__ import annotations

from dataclasses import replace

from counter.moments import later
from counter.report.calendar import data_uri
from counter.report.choice import Group
from counter.report.material import Material
from counter.report.media import Cutting
from counter.report.page import Card, CardGroup
from counter.report.season import Place
from counter.report.tables import clock_text


def card_group(group: Group, material: Material) -> CardGroup:
    """The cards of a group, in its order."""
    of_label = f"{group.label}: " if len(material.results.labels) > 1 else ""
    cards = tuple(_card(row, material) for row in group.rows)
    return CardGroup(of_label + group.title, group.note, cards)


def _card(row: int, material: Material) -> Card:
    table, results = material.results.events, material.results
    name = results.recordings[table.recording[row]].name
    start_s, end_s = float(table.start_s[row]), float(table.end_s[row])
    cut = material.cuttings[row]
    card = Card(
        title=results.labels[table.label[row]],
        recording=name,
        facts=(f"{start_s:,.1f} to {end_s:,.1f} s", *_origin(material.places.get(name), start_s)),
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


def _origin(place: Place | None, start_s: float) -> list[str]:
    """When and where an event was heard, as far as that is known."""
    if place is None:
        return []
    start = place.origin.start
    told = (clock_text(start and later(start, start_s)), place.origin.site)
    return [one for one in told if one]


def gallery_note(material: Material) -> str:
    """What to know where sounds are missing; empty where all are there."""
    wanted = {row for group in material.groups for row in group.rows}
    n_missing = sum(not isinstance(material.cuttings[row], Cutting) for row in wanted)
    if not n_missing:
        return ""
    fix = "Name the folder that they are in now with --audio, and make the report again."
    if n_missing == len(wanted):
        return (
            f"The recordings are no longer where they were scanned, so nothing can be heard. {fix}"
        )
    return f"{n_missing} of {len(wanted)} events cannot be heard: their recordings are gone. {fix}"
