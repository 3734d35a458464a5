"""What of a scanned recording a person may be asked about: events, and what nearly was one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counter.config import EventRules
from counter.mining.sounds import sound_of, unlike
from counter.mining.surroundings import CONTEXT_S, Span, Surroundings
from counter.records import FileResult, FloatArray, Picture
from counter.timebase import Timebase

# An event; something just short of one; an event unlike the others.
EVENT, NEAR_MISS, SURPRISE = "event", "near miss", "surprise"
# Near misses whose sound is looked at, as a multiple of those that are kept.
LOOKED_AT = 4
_LEAST_SCORE = 1e-6

Frames = tuple[int, int]
Kinds = dict[tuple[str, str], list["Candidate"]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of a recording that a person may be asked about.

    Attributes
    ----------
    recording : str
        Its name.
    label : str
        What the model may have heard there.
    span_s : (start_s, end_s)
        The stretch, seconds from the recording's start.
    clip_s : (start_s, end_s)
        The stretch with up to ``CONTEXT_S`` on either side, inside the recording.
    clear_s : (start_s, end_s)
        The stretch, and each of its two sides that has no other event within twice
        ``CONTEXT_S``: an event's edges are rough, and a call must not pass for background.
    score : float
        Highest smoothed score of the stretch, 0 to 1.
    doubt : float
        How little that score says, 0 to 1; see ``doubt``.
    sound : array of float32, shape (n_levels,)
        See ``sounds.sound_of``.
    """

    recording: str
    label: str
    span_s: Span
    clip_s: Span
    clear_s: Span
    score: float
    doubt: float
    sound: FloatArray


@dataclass(frozen=True)
class Listening:
    """What of a bundle decides where candidates are.

    Attributes
    ----------
    rules : mapping of label to EventRules
        In the order of the scores' columns.
    timebase : Timebase
        Of the scores.
    band_hz : (low_hz, high_hz)
        What the model hears.
    """

    rules: Mapping[str, EventRules]
    timebase: Timebase
    band_hz: tuple[float, float]


def doubt(scores: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """How little scores say about being above the threshold: ``4 q (1 - q)``.

    ``q`` is a score moved on its logit so that the threshold comes to lie at 0.5: 1 at the
    threshold, towards 0 far from it on either side. Uncertainty sampling (Lewis and Gale 1994), at
    the operating point that makes the counts.

    Parameters
    ----------
    scores : array-like of float
        0 to 1.
    threshold : float
        Score that starts an event, above 0 and below 1.
    """
    inside = np.clip(np.asarray(scores, np.float64), _LEAST_SCORE, 1 - _LEAST_SCORE)
    odds = inside / (1 - inside) * (1 - threshold) / threshold
    return np.minimum(4 * odds / (1 + odds) ** 2, 1.0)


def find_candidates(result: FileResult, listening: Listening, n_each: int) -> Kinds:
    """Candidates of one recording by label and kind.

    Parameters
    ----------
    result : FileResult
        With its picture, whose scores are smoothed; a failed recording holds no candidates.
    listening : Listening
        What the bundle says.
    n_each : int
        Most of each label and kind, > 0.

    Returns
    -------
    dict from (label, kind) to list of Candidate
        Those of most weight (``weight``) that are unlike one another in sound, so that one sound
        repeated all day leaves room for others; surprises are events as well. Empty where there
        was hardly any sound.
    """
    picture = result.picture
    if picture is None or not len(picture.levels_db):
        return {}
    heard = _Heard.of(result, picture, listening)
    found: Kinds = {}
    for column, (label, rules) in enumerate(listening.rules.items()):
        spans_s = [(one.start_s, one.end_s) for one in result.events if one.label == label]
        scores = [one.score for one in result.events if one.label == label]
        missed = near_misses(
            picture.scores[:, column],
            spans_s,
            rules,
            timebase=listening.timebase,
            n=LOOKED_AT * n_each,
        )
        misses = [heard.candidate(label, *miss) for miss in missed]
        events = [
            heard.candidate(label, span_s, score)
            for span_s, score in zip(spans_s, scores, strict=True)
        ]
        for kind, every in ((EVENT, events), (NEAR_MISS, misses), (SURPRISE, events)):
            found[label, kind] = weightiest(every, kind, n_each)
    return found


def weight(candidate: Candidate, kind: str) -> float:
    """How much a candidate is worth as one of a kind, its sound aside: 0 to 1."""
    return 1 - candidate.doubt if kind == SURPRISE else candidate.doubt


def weightiest(candidates: Sequence[Candidate], kind: str, n: int) -> list[Candidate]:
    """The ``n`` candidates of a kind that weigh most and are unlike one another."""
    weights = [weight(one, kind) for one in candidates]
    order = unlike([one.sound for one in candidates], n, weights)
    return [candidates[index] for index in order]


@dataclass(frozen=True)
class _Heard:
    """A recording of which candidates are made."""

    result: FileResult
    picture: Picture
    listening: Listening
    surroundings: Surroundings

    @classmethod
    def of(cls, result: FileResult, picture: Picture, listening: Listening) -> _Heard:
        surroundings = Surroundings.of(result.events, result.scanned_s)
        return cls(result, picture, listening, surroundings)

    def candidate(self, label: str, span_s: Span, score: float) -> Candidate:
        (start_s, end_s), clip_s, clear_s = self.surroundings.around(span_s)
        return Candidate(
            recording=self.result.recording.name,
            label=label,
            span_s=(start_s, end_s),
            clip_s=clip_s,
            clear_s=clear_s,
            score=score,
            doubt=float(doubt(score, self.listening.rules[label].threshold)),
            sound=sound_of(self.picture, start_s, end_s, self.listening.band_hz),
        )


def near_misses(
    smoothed: FloatArray,
    events: Sequence[Span],
    rules: EventRules,
    *,
    timebase: Timebase,
    n: int,
) -> list[tuple[Span, float]]:
    """Peaks of the score that are no part of an event, those nearest to the threshold first.

    A near miss reaches as far around its peak as an event would if the peak were the threshold,
    and no further than ``part_s`` in all; at least ``min_duration_s`` where there is room. It keeps
    ``gap_s`` away from events and ``CONTEXT_S`` from other near misses. A run over the threshold
    that was dropped for its length is one too.

    Parameters
    ----------
    smoothed : array of float32, shape (n_frames,)
        Smoothed scores of one label; may be empty.
    events : sequence of (start_s, end_s)
        Its events.
    rules : EventRules
        Its rules.
    timebase : Timebase
        Of the scores.
    n : int
        Most that are wanted.

    Returns
    -------
    list of ((start_s, end_s), score)
    """
    taken = np.zeros(len(smoothed), dtype=bool)
    gap = timebase.frames(rules.gap_s)
    for start_s, end_s in events:
        taken[max(0, timebase.frames(start_s) - gap) : timebase.frames(end_s) + gap] = True
    edged = np.concatenate([[-1.0], smoothed, [-1.0]])
    peaks = np.flatnonzero((smoothed >= edged[:-2]) & (smoothed > edged[2:]))
    order = np.argsort(-doubt(smoothed[peaks], rules.threshold), kind="stable")
    apart = timebase.frames(CONTEXT_S)
    found: list[tuple[Span, float]] = []
    for peak in peaks[order].tolist():
        if len(found) == n:
            break
        if taken[peak]:
            continue
        start, stop = _around(peak, smoothed, taken, rules=rules, timebase=timebase)
        taken[max(0, start - apart) : stop + apart] = True
        span_s = (timebase.frame_start_s(start), timebase.frame_start_s(stop))
        found.append((span_s, float(smoothed[peak])))
    return found


def _around(
    peak: int,
    smoothed: FloatArray,
    taken: NDArray[np.bool_],
    *,
    rules: EventRules,
    timebase: Timebase,
) -> Frames:
    """Frames ``[start, stop)`` of the near miss around a peak."""
    reach = max(timebase.frames(rules.part_s), timebase.frames(rules.min_duration_s)) // 2
    low, high = max(0, peak - reach), min(len(smoothed), peak + reach + 1)
    is_free = ~taken[low:high]
    is_high = smoothed[low:high] >= smoothed[peak] * (rules.release / rules.threshold)
    start, stop = _run_at(peak - low, is_free & is_high)
    first, last = _run_at(peak - low, is_free)
    missing = max(0, timebase.frames(rules.min_duration_s) - (stop - start))
    start = max(first, start - (missing + 1) // 2)
    stop = min(last, stop + missing // 2)
    return low + start, low + stop


def _run_at(place: int, values: NDArray[np.bool_]) -> Frames:
    """The longest run ``[start, stop)`` of true values that holds a place."""
    edges = np.flatnonzero(~values)
    at = int(np.searchsorted(edges, place))
    start = int(edges[at - 1]) + 1 if at else 0
    return start, int(edges[at]) if at < len(edges) else len(values)
