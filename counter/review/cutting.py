"""Items to see and hear, cut as the report cuts its events, in a picture that can be zoomed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.records import Event
from counter.report.media import Found, Look, Wanted, cut_recording
from counter.review.material import Band, Material
from counter.review.queue import Item, Items

# Twice as large as it is shown, and up to twice as high a frequency.
LOOK = Look(size=(1600, 400), reach=4.0, effort=0)
SHOWN_REACH = 2.0
# Where nothing says what was listened in.
_BAND: Band = (0.0, 6000.0)
# Clips that were cut before are taken whole.
_ALL_S = 60.0
# Around an event: its edges are rough.
_MARGIN_S = 2.0


@dataclass(frozen=True)
class ItemCutter:
    """Cuts items; what a ``Shelf`` asks.

    Attributes
    ----------
    items : Items
        All of them.
    material : Material
        Where their sound is.
    """

    items: Items
    material: Material

    def __call__(self, rows: Sequence[int]) -> Iterator[Found]:
        """Cut some, one by one, each recording read once; what cannot be cut is told in words."""
        wanted: dict[str | Path | None, list[Wanted]] = {}
        for item in map(self.items.item, rows):
            file = item.cut.file if item.cut else self.material.files.get(item.key.recording)
            wanted.setdefault(file, []).append(self._wanted(item))
        for file, of_it in wanted.items():
            yield from cut_recording(file, of_it, LOOK)

    def _wanted(self, item: Item) -> Wanted:
        band = band_of(item, self.material.bands)
        zero_s = item.cut.start_s if item.cut else 0.0
        event = Event(
            label=item.key.label,
            start_s=max(0.0, item.start_s - zero_s),
            end_s=max(0.0, item.end_s - zero_s),
            peak_s=max(0.0, item.peak_s - zero_s),
            score=item.score or 0.0,
        )
        if item.cut is None:
            return Wanted(item.row, event, *band, margin_s=_MARGIN_S)
        return Wanted(item.row, event, *band, margin_s=_ALL_S, longest_s=float("inf"))


def band_of(item: Item, bands: Mapping[str, Band]) -> Band:
    """Band that an item was listened for in, (low_hz, high_hz)."""
    return bands.get(item.key.label, _BAND)
