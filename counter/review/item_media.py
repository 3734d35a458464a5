"""Media of review items: a picture and a sound of each, cut before they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.records import Event
from counter.report.event_media import Cutting, Found, MediaStyle, Wanted, cut_recording
from counter.review.questions import Item, Items

Band = tuple[float, float]
# Twice as large as it is shown, and up to twice as high a frequency.
STYLE = MediaStyle(size=(1600, 400), reach=4.0, effort=0)
SHOWN_REACH = 2.0
# Where nothing says what was listened in.
_BAND: Band = (0.0, 6000.0)
# Clips that were cut before are taken whole.
_ALL_S = 60.0
# Around an event: its edges are rough.
_MARGIN_S = 2.0
Cutter = Callable[[Sequence[int]], Iterator[Found]]
_N_HELD, _HELD_BYTES = 64, 64_000_000


@dataclass(frozen=True)
class ItemCutter:
    """Cuts items; what ``ReadyMedia`` asks.

    Attributes
    ----------
    items : Items
        All of them.
    files : mapping of str to str or Path
        The file or URL of every recording that is still there.
    bands : mapping of str to (low_hz, high_hz)
        Band that each label was listened for in.
    """

    items: Items
    files: Mapping[str, str | Path]
    bands: Mapping[str, Band]

    def __call__(self, rows: Sequence[int]) -> Iterator[Found]:
        """Cut some, one by one, each recording read once; of what cannot be cut, why."""
        wanted: dict[str | Path | None, list[Wanted]] = {}
        for item in map(self.items.item, rows):
            file = item.cut.file if item.cut else self.files.get(item.key.recording)
            wanted.setdefault(file, []).append(self._wanted(item))
        for file, of_it in wanted.items():
            yield from cut_recording(file, of_it, STYLE)

    def _wanted(self, item: Item) -> Wanted:
        band = band_of(item, self.bands)
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


class ReadyMedia:
    """What was cut last, and a thread that cuts what comes next; shared by all sessions.

    Parameters
    ----------
    cut : callable
        Gives for rows what was cut, or in words why there is nothing, a few rows at a time.
    """

    def __init__(self, cut: Cutter) -> None:
        self._cut = cut
        self._held: OrderedDict[int, Cutting | str] = OrderedDict()
        self._n_bytes = 0
        self._wanted: list[int] = []
        self._at_work: set[int] = set()
        self._changed = threading.Condition()
        # it must not keep the process: what it makes is for nobody then
        threading.Thread(target=self._work, name="item media", daemon=True).start()

    def get(self, row: int) -> Cutting | str:
        """What was cut for a row, at once where it is ready; else it is cut now."""
        with self._changed:
            while row in self._at_work:
                self._changed.wait()
            if row in self._held:
                self._held.move_to_end(row)
                return self._held[row]
        found = {row: one for some in self._cut([row]) for row, one in some.items()}
        self._keep(found)
        return found[row]

    def ready(self, row: int) -> Cutting | str | None:
        """What was cut for a row, None where it is not ready yet."""
        with self._changed:
            return self._held.get(row)

    def prepare(self, rows: Sequence[int]) -> None:
        """Have these ready next, in this order; what was wished for before is forgotten."""
        with self._changed:
            self._wanted = [row for row in rows if row not in self._held]
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._wanted:
                    self._changed.wait()
                rows = [row for row in self._wanted if row not in self._held]
                self._at_work, self._wanted = set(rows), []
            try:
                for found in self._cut(rows):
                    self._keep(found)
            finally:
                with self._changed:
                    self._at_work = set()
                    self._changed.notify_all()

    def _keep(self, found: Found) -> None:
        with self._changed:
            for row, one in found.items():
                self._n_bytes += _size(one) - _size(self._held.pop(row, ""))
                self._held[row] = one
                self._at_work.discard(row)
            while len(self._held) > _N_HELD or self._n_bytes > _HELD_BYTES:
                if len(self._held) == 1:
                    break
                self._n_bytes -= _size(self._held.popitem(last=False)[1])
            self._changed.notify_all()


def _size(one: Cutting | str) -> int:
    return len(one) if isinstance(one, str) else len(one.picture) + len(one.sound)
