"""Which cuts of a run that is still going on are sure, whatever comes (rule 4 of ``events``).

Rule 4 cuts a run at its deepest valley first, so a cut may depend on what follows. From some point
on it does not. Let a run begin at ``a``, be known up to ``t``, and let ``u`` be ``a`` or a sure
cut. A frame ``w`` with smoothed score ``m[w]``, and with ``x`` the first frame after it that is
lower (``t`` if none is), is a sure cut where

- it could be cut in ``[u, x)`` as rule 4 says: the peaks on either side, two whole pieces, and
  ``x - u`` longer than what stays whole;
- no frame from ``u`` on up to it that the left peak would allow is as low.

For then every cut made earlier nearby is lower than ``m[w]``, hence at ``x`` or later, or at ``u``
or before; what is left holds ``[u, x)``, and ``w`` stays its lowest valley. The pieces left of
``w`` are those of ``[a, x)``. Pieces right of ``w`` are the same when one begins at a sure cut
instead of ``a`` that is further before ``w`` than what stays whole: every run that is cut on the
way is longer.
"""

from __future__ import annotations

import numpy as np

from counter.config import EventRules
from counter.events import Span, part, part_frames
from counter.records import FloatArray
from counter.timebase import Timebase


class GrowingRun:
    """The sure pieces of one run as it grows; positions count from the run's first frame.

    Parameters
    ----------
    rules : EventRules
        The rules.
    timebase : Timebase
        Rate of samples and samples per frame.
    """

    def __init__(self, rules: EventRules, timebase: Timebase) -> None:
        self._rules = rules
        self._timebase = timebase
        self._piece_frames, self._whole_frames = part_frames(rules, timebase)
        self._cuts = [0]

    @property
    def needed_from(self) -> int:
        """First position whose scores are still wanted."""
        return self._cuts[0]

    @property
    def last_cut(self) -> int:
        """Where what has no sure piece yet begins."""
        return self._cuts[-1]

    def grow(self, smoothed: FloatArray) -> list[Span]:
        """The pieces that have become sure.

        Parameters
        ----------
        smoothed : array of float32, shape (n_frames,)
            Smoothed scores from ``needed_from`` on, as far as they are of this run for sure.
        """
        found: list[Span] = []
        while (sure := self._next_cut(smoothed)) is not None:
            cut, lower = sure
            base = self._cuts[0]
            found += [piece for piece in self._pieces(smoothed[: lower - base]) if piece[1] <= cut]
            self._cuts.append(cut)
            while len(self._cuts) > 2 and self._cuts[-1] - self._cuts[1] > self._whole_frames:
                self._cuts.pop(0)
            smoothed = smoothed[self._cuts[0] - base :]
        return found

    def finish(self, smoothed: FloatArray) -> list[Span]:
        """The other pieces, the run being over; its scores from ``needed_from`` on."""
        return self._pieces(smoothed)

    def _pieces(self, smoothed: FloatArray) -> list[Span]:
        """Pieces of what begins at ``needed_from``, without those that were given before."""
        base = self._cuts[0]
        pieces = part(smoothed, [(0, len(smoothed))], self._rules, self._timebase)
        moved = [(start + base, stop + base) for start, stop in pieces]
        return [piece for piece in moved if piece[0] >= self.last_cut]

    def _next_cut(self, smoothed: FloatArray) -> Span | None:
        """The next sure cut and the first lower frame after it, or the end."""
        begin, least = self.last_cut, self._piece_frames
        tail = smoothed[begin - self.needed_from :]
        if len(tail) <= self._whole_frames:
            return None
        left = np.maximum.accumulate(tail)[least - 1 : -1]
        depth, threshold = self._rules.part_depth, np.float32(self._rules.threshold)
        value = tail[least:]
        allowed = (value <= depth * left) & (left >= threshold)
        reached = np.where(allowed, value, np.inf)
        lowest = np.minimum.accumulate(np.concatenate([[np.inf], reached[:-1]]))
        for place in np.flatnonzero(reached < lowest) + least:
            after = np.flatnonzero(tail[place + 1 :] < tail[place])
            lower = int(place + 1 + after[0]) if len(after) else len(tail)
            right = tail[place:lower].max(keepdims=True)  # an array, to round as rule 4 does
            is_deep = (right >= threshold) & (tail[place] <= depth * right)
            if is_deep.all() and lower - place >= least and lower > self._whole_frames:
                return begin + int(place), begin + lower
        return None
