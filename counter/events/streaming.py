"""Streaming decoder: events while scores come, each as soon as nothing can change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from counter.events.decoding import Span, found_event, keeps, part, part_frames
from counter.events.rules import EventRules
from counter.records import Event, FloatArray
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


class Smoother:
    """``events.smooth`` of one label's scores as they come, bit for bit.

    Parameters
    ----------
    smooth_s : float
        Length of the average in seconds, >= 0.
    timebase : Timebase
        Rate of samples and samples per frame.
    """

    def __init__(self, smooth_s: float, timebase: Timebase) -> None:
        self.half_frames = timebase.samples(smooth_s) // (2 * timebase.hop_samples)
        self._first = 0  # frame of the first total that is held
        self._totals = np.zeros(1, dtype=np.float64)
        self._n_given = 0

    def push(self, scores: FloatArray, *, is_end: bool = False) -> FloatArray:
        """Take the next scores, shape (n_frames,); the smoothed ones that are final now."""
        half = self.half_frames
        if half == 0:
            return scores
        grown = np.cumsum(np.concatenate([self._totals[-1:], scores.astype(np.float64)]))
        self._totals = np.concatenate([self._totals[:-1], grown])
        n_frames = self._first + len(self._totals) - 1
        stop = n_frames if is_end else max(self._n_given, n_frames - half)
        index = np.arange(self._n_given, stop)
        low = np.maximum(index - half, 0)
        high = np.minimum(index + half + 1, n_frames)
        sums = self._totals[high - self._first] - self._totals[low - self._first]
        smoothed: FloatArray = (sums / (high - low)).astype(np.float32)
        self._n_given = stop
        drop = max(0, stop - half - self._first)
        self._totals, self._first = self._totals[drop:], self._first + drop
        return smoothed


class LabelDecoder:
    """The events of one label, each as soon as it is sure.

    Parameters
    ----------
    label : str
        What is scanned.
    rules : EventRules
        Its rules.
    timebase : Timebase
        Rate of samples and samples per frame.
    """

    def __init__(self, label: str, rules: EventRules, timebase: Timebase) -> None:
        self._label = label
        self._rules = rules
        self._timebase = timebase
        self._smoother = Smoother(rules.smooth_s, timebase)
        self._gap_frames = timebase.frames(rules.gap_s)
        self._held = np.zeros(0, dtype=np.float32)
        self._first = 0  # frame of the first that is held
        self._looked_to = 0  # frames before are parted into runs
        self._run_start: int | None = None  # of the run that goes on, whether it counts or not
        self._counts = False  # that run has reached the threshold
        self._joined: Span | None = None  # runs that are over and may be joined by others
        self._growing = GrowingRun(rules, timebase)

    @property
    def waits_s(self) -> float:
        """Seconds after a call's last frame until the rules can be sure of it, parting aside."""
        # a run ends with the frame after it
        n_frames = self._smoother.half_frames + max(self._gap_frames, 1)
        return n_frames * self._timebase.frame_s

    def push(self, scores: FloatArray) -> list[Event]:
        """Take the next scores, shape (n_frames,); events that are sure now, in order."""
        return self._advance(self._smoother.push(scores))

    def finish(self) -> list[Event]:
        """The events that were not sure, the sound being over."""
        events = self._advance(self._smoother.push(np.zeros(0, np.float32), is_end=True))
        if self._run_start is not None:
            self._end_run(self._first + len(self._held))
        return events + self._close()

    def _advance(self, smoothed: FloatArray) -> list[Event]:
        self._held = np.concatenate([self._held, smoothed])
        events: list[Event] = []
        for frame in self._edges():
            if self._run_start is None:
                events += self._close_if_apart(frame)
                self._run_start, self._counts = frame, False
            else:
                self._end_run(frame)
        end = self._first + len(self._held)
        if self._run_start is None:
            events += self._close_if_apart(end)
        events += self._sure_pieces(end)
        self._looked_to = end
        self._forget()
        return events

    def _edges(self) -> list[int]:
        """Frames not looked at yet with which a run begins, or which is the first after one."""
        above = self._held[self._looked_to - self._first :] >= np.float32(self._rules.release)
        before = np.concatenate([[self._run_start is not None], above])[:-1]
        edges: list[int] = (np.flatnonzero(above != before) + self._looked_to).tolist()
        return edges

    def _end_run(self, stop: int) -> None:
        """The run that goes on ends before frame ``stop``."""
        start, self._run_start = self._run_start, None
        if start is not None and (self._counts or self._reaches(start, stop)):
            self._joined = (self._joined[0] if self._joined else start, stop)
        self._counts = False

    def _close_if_apart(self, start: int) -> list[Event]:
        """Close what was joined if a run that begins at ``start`` or later is too far from it."""
        if self._joined is None or start - self._joined[1] < self._gap_frames:
            return []
        return self._close()

    def _close(self) -> list[Event]:
        if self._joined is None:
            return []
        start, stop = self._joined
        events = self._events(start, self._growing.finish(self._wanted(start, stop)))
        self._joined, self._growing = None, GrowingRun(self._rules, self._timebase)
        return events

    def _sure_pieces(self, end: int) -> list[Event]:
        """Pieces of the runs that go on, or that are joined, that no later frame can change."""
        joined = self._joined
        if self._run_start is not None:
            self._counts = self._counts or self._reaches(self._run_start, end)
            if self._counts:
                joined = (joined[0] if joined else self._run_start, end)
        if joined is None:
            return []
        return self._events(joined[0], self._growing.grow(self._wanted(*joined)))

    def _events(self, start: int, pieces: Sequence[Span]) -> list[Event]:
        """Events of the pieces of a run that begins at ``start``, by rules 5 and 6."""
        is_event = keeps(self._rules, self._timebase)
        scored = [(start + one, self._slice(start + one, start + stop)) for one, stop in pieces]
        return [
            found_event(self._label, first, piece, self._timebase)
            for first, piece in scored
            if is_event(piece)
        ]

    def _wanted(self, start: int, stop: int) -> FloatArray:
        """Scores of a run as ``GrowingRun`` takes them."""
        return self._slice(start + self._growing.needed_from, stop)

    def _reaches(self, start: int, stop: int) -> bool:
        return bool(self._slice(start, stop).max() >= np.float32(self._rules.threshold))

    def _slice(self, start: int, stop: int) -> FloatArray:
        return self._held[start - self._first : stop - self._first]

    def _forget(self) -> None:
        """Let go of what no event to come is made of."""
        first = self._looked_to if self._run_start is None else self._run_start
        if self._joined is not None:
            first = self._joined[0]
        first += self._growing.needed_from
        self._held, self._first = self._held[first - self._first :], first


class LiveDecoder:
    """``events.decode`` of scores as they come: the same events, each as soon as it is sure.

    Parameters
    ----------
    labels : sequence of str
        Label of each column.
    rules : mapping from label to EventRules
        The rules of each label.
    timebase : Timebase
        Rate of samples and samples per frame.
    """

    def __init__(
        self, labels: Sequence[str], rules: Mapping[str, EventRules], timebase: Timebase
    ) -> None:
        self._decoders = [LabelDecoder(label, rules[label], timebase) for label in labels]

    @property
    def waits_s(self) -> float:
        """The longest wait of a label."""
        return max(one.waits_s for one in self._decoders)

    def push(self, scores: FloatArray) -> list[Event]:
        """Take the next scores, shape (n_frames, n_labels), maybe none; what is sure now."""
        found = (one.push(scores[:, column]) for column, one in enumerate(self._decoders))
        return _in_order(event for events in found for event in events)

    def finish(self, duration_s: float) -> list[Event]:
        """All other events, the sound being over; ``duration_s`` is its length."""
        found = (event for one in self._decoders for event in one.finish())
        return _in_order(event.ended_by(duration_s) for event in found)


def _in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.start_s, event.label))
