"""All that a report is made of, before anything is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counter.output.reading import Results
from counter.report.choice import Group
from counter.report.estimates import LeftEstimate
from counter.report.media import Found
from counter.report.season import Place, SumRow


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
class Material:
    """All that a report is made of.

    Attributes
    ----------
    results : Results
        The scan.
    places : mapping of str to Place
        When and where each recording was made.
    sums : mapping of str to sequence of SumRow
        By site, day and hour.
    estimates : sequence of LeftEstimate
        Corrected counts; may be empty.
    groups : sequence of Group
        Events to show.
    cuttings : mapping of int to Cutting or str
        Each of these events to see and hear, or why it cannot be.
    model : Model
        The card.
    """

    results: Results
    places: Mapping[str, Place]
    sums: Mapping[str, Sequence[SumRow]]
    estimates: Sequence[LeftEstimate]
    groups: Sequence[Group]
    cuttings: Found
    model: Model
