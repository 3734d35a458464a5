"""What the pages of this process work on; Streamlit runs their script anew, this stays."""

from __future__ import annotations

from dataclasses import dataclass

from counter.review.material import Material


@dataclass(frozen=True)
class Desk:
    """All that the pages need.

    Attributes
    ----------
    title : str
        Name of the results.
    material : Material
        The scan.
    reviewer : str
        Who answers, where the page is told nothing else.
    token : str
        What every session has to give first; empty where nothing is asked.
    """

    title: str
    material: Material
    reviewer: str
    token: str


_HELD: list[Desk] = []


def set_desk(desk: Desk) -> None:
    """Say what the pages of this process work on."""
    _HELD[:] = [desk]


def the_desk() -> Desk:
    """What the pages of this process work on; ``set_desk`` was called before."""
    return _HELD[0]
