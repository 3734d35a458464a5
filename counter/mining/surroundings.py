"""What is around a stretch that a person is asked about: what is heard with it, what is clear."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from counter.records import Event

# Heard with a stretch on either side.
CONTEXT_S = 3.0

Span = tuple[float, float]


@dataclass(frozen=True)
class Surroundings:
    """What is around a stretch of a recording: where its events start and end, in order.

    Attributes
    ----------
    scanned_s : float
        Seconds of it that were scanned.
    starts_s, ends_s : tuple of float
        Of its events; each in ascending order.
    """

    scanned_s: float
    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]

    @classmethod
    def of(cls, events: Sequence[Event], scanned_s: float) -> Surroundings:
        """Those of a recording with these events."""
        starts_s = tuple(sorted(one.start_s for one in events))
        return cls(scanned_s, starts_s, tuple(sorted(one.end_s for one in events)))

    def around(self, span_s: Span) -> tuple[Span, Span, Span]:
        """``span_s``, ``clip_s`` and ``clear_s`` of the candidate at a stretch."""
        start_s, end_s = span_s[0], min(span_s[1], self.scanned_s)
        clip_s = (max(0.0, start_s - CONTEXT_S), min(end_s + CONTEXT_S, self.scanned_s))
        before = bisect_right(self.ends_s, start_s)
        after = bisect_left(self.starts_s, end_s)
        near_s = 2 * CONTEXT_S
        is_alone_before = not before or self.ends_s[before - 1] < start_s - near_s
        is_alone_after = after == len(self.starts_s) or self.starts_s[after] > end_s + near_s
        clear_s = (
            clip_s[0] if is_alone_before else start_s,
            clip_s[1] if is_alone_after else end_s,
        )
        return (start_s, end_s), clip_s, clear_s
