"""What the pages of this process work on; Streamlit runs their script anew, this stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from counter.review.material import Band, Material
from counter.review.queue import Items
from counter.review.shelf import Shelf
from counter.review.store import Store


@dataclass(frozen=True)
class Bench:
    """What is asked, what is ready to be shown, and what was answered.

    Attributes
    ----------
    items : Items
        All questions.
    shelf : Shelf
        Their pictures and sounds.
    store : Store
        The answers.
    labels : tuple of str
        Labels that may be heard.
    is_free : bool
        Whether a call may be said to be of another label than these.
    bands : mapping of str to (low_hz, high_hz)
        Band that each label was listened for in.
    """

    items: Items
    shelf: Shelf
    store: Store
    labels: tuple[str, ...]
    is_free: bool
    bands: Mapping[str, Band]


@dataclass(frozen=True)
class Desk:
    """All that the pages need.

    Attributes
    ----------
    title : str
        Name of the results.
    material : Material
        The scan.
    bench : Bench
        What is reviewed.
    reviewer : str
        Who answers, where the page is told nothing else.
    token : str
        What every session has to give first; empty where nothing is asked.
    """

    title: str
    material: Material
    bench: Bench
    reviewer: str
    token: str


_HELD: list[Desk] = []


def set_desk(desk: Desk) -> None:
    """Say what the pages of this process work on."""
    _HELD[:] = [desk]


def the_desk() -> Desk:
    """What the pages of this process work on; ``set_desk`` was called before."""
    return _HELD[0]
