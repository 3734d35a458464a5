"""Candidates of mining: events, and what nearly was one, with what is around them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counter.bundle import BundleSpec
from counter.events.rules import EventRules
from counter.plots.spectrogram import DB_PER_LEVEL
from counter.records import Event, FileResult, FloatArray, Picture
from counter.timebase import Timebase

# Heard with a stretch on either side.
CONTEXT_S = 3.0

Span = tuple[float, float]


@dataclass(frozen=True)
class Surroundings:
    """What is around a stretch of a recording: where its events start and end, in order."""

    scanned_s: float  # seconds of it that were scanned
    # of its events; each in ascending order
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


N_BANDS, N_PARTS = 16, 4


def sound_of(
    picture: Picture, start_s: float, end_s: float, band_hz: tuple[float, float]
) -> FloatArray:
    """Mean levels of a stretch in ``N_BANDS`` bands and ``N_PARTS`` parts of its time.

    The mean of all is taken off, so that distance to the microphone and gain tell nothing. They
    are scaled so that the length of the difference of two such arrays, shape (N_PARTS * n_bands,),
    is in dB (RMS). The picture has at least one column; ``band_hz`` is what the model hears, of
    which bands narrower than a row of the picture are left out.
    """
    low = min(int(band_hz[0] / picture.bin_hz), picture.levels_db.shape[1] - 1)
    high = max(int(np.ceil(band_hz[1] / picture.bin_hz)), low + 1)
    columns = np.linspace(start_s, end_s, N_PARTS + 1) / picture.column_s
    last = len(picture.levels_db) - 1
    first = np.minimum(columns[:-1].astype(np.int64), last)
    stop = np.clip(np.ceil(columns[1:]).astype(np.int64), first + 1, last + 1)
    parts = np.stack(
        [picture.levels_db[a:b, low:high].mean(axis=0) for a, b in zip(first, stop, strict=True)]
    )
    n_rows = parts.shape[1]
    edges = np.linspace(0, n_rows, min(N_BANDS, n_rows) + 1).astype(np.int64)[:-1]
    levels_db = np.add.reduceat(parts, edges, axis=1) / np.diff([*edges, n_rows]) * DB_PER_LEVEL
    levels_db -= levels_db.mean()
    found: FloatArray = (levels_db.ravel() / np.sqrt(levels_db.size)).astype(np.float32)
    return found


def unlike(sounds: Sequence[FloatArray], n: int, weights: Sequence[float]) -> list[int]:
    """Indices of ``n`` sounds that weigh much and are unlike one another.

    Each is the one of greatest weight times difference from the nearest one before it; the first,
    times difference from the mean of all. With equal weights that is farthest-first traversal
    (Gonzalez 1985).

    The sounds are as ``sound_of`` gives them, with weights of at least 0; all of them where there
    are no more, none where there is none.
    """
    if not len(sounds):
        return []
    every, weight = np.stack(sounds), np.asarray(weights)
    away_db = differences_db(every, every.mean(axis=0))
    nearest_db = np.full(len(every), np.inf)
    worth = weight * away_db
    chosen: list[int] = []
    while len(chosen) < min(n, len(every)):
        chosen.append(int(np.argmax(worth)))
        nearest_db = np.minimum(nearest_db, differences_db(every, every[chosen[-1]]))
        worth = weight * nearest_db
        worth[chosen] = -1.0
    return chosen


def differences_db(sounds: FloatArray, other: FloatArray) -> FloatArray:
    """Difference of each of some sounds, shape (n_sounds, n_levels), from another; dB (RMS)."""
    found: FloatArray = np.linalg.norm(sounds - other, axis=1)
    return found


# An event; something just short of one; an event unlike the others.
EVENT, NEAR_MISS, SURPRISE = "event", "near miss", "surprise"
# Near misses whose sound is looked at, as a multiple of those that are kept.
LOOKED_AT = 4
_LEAST_SCORE = 1e-6

Frames = tuple[int, int]
Kinds = dict[tuple[str, str], list["Candidate"]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of a recording that a person may be asked about."""

    recording: str  # its name
    label: str  # what the model may have heard there
    span_s: Span  # the stretch, seconds from the recording's start
    clip_s: Span  # the stretch with up to ``CONTEXT_S`` on either side, inside the recording
    # the stretch, and each of its two sides that has no other event within twice ``CONTEXT_S``:
    # an event's edges are rough, and a call must not pass for background
    clear_s: Span
    score: float  # highest smoothed score of the stretch, 0 to 1
    doubt: float  # how little that score says, 0 to 1; see ``doubt``
    sound: FloatArray  # shape (n_levels,), see ``sound_of``


def doubt(scores: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """How little scores say about being above the threshold: ``4 q (1 - q)``.

    ``q`` is a score moved on its logit so that the threshold comes to lie at 0.5: 1 at the
    threshold, towards 0 far from it on either side. Uncertainty sampling (Lewis and Gale 1994), at
    the operating point that makes the counts. Scores are 0 to 1, the threshold above 0 and below 1.
    """
    inside = np.clip(np.asarray(scores, np.float64), _LEAST_SCORE, 1 - _LEAST_SCORE)
    odds = inside / (1 - inside) * (1 - threshold) / threshold
    return np.minimum(4 * odds / (1 + odds) ** 2, 1.0)


def find_candidates(result: FileResult, spec: BundleSpec, n_each: int) -> Kinds:
    """Candidates of one recording, scanned with the bundle's own rules, by label and kind.

    At most ``n_each`` of each, those of most weight (``weight``) that are unlike one another in
    sound, so that one sound repeated all day leaves room for others; surprises are events as well.
    The result comes with its picture, whose scores are smoothed. Empty where the recording failed,
    or there was hardly any sound.
    """
    picture = result.picture
    if picture is None or not len(picture.levels_db):
        return {}
    surroundings = Surroundings.of(result.events, result.scanned_s)
    band_hz = (spec.low_hz, spec.high_hz)

    def candidate(label: str, span_s: Span, score: float) -> Candidate:
        span_s, clip_s, clear_s = surroundings.around(span_s)
        doubted = float(doubt(score, spec.rules[label].threshold))
        sound = sound_of(picture, *span_s, band_hz)
        name = result.recording.name
        return Candidate(name, label, span_s, clip_s, clear_s, score, doubted, sound)

    found: Kinds = {}
    for column, label in enumerate(spec.labels):
        counted = [((e.start_s, e.end_s), e.score) for e in result.events if e.label == label]
        missed = near_misses(
            picture.scores[:, column],
            [span_s for span_s, _ in counted],
            spec.rules[label],
            timebase=spec.timebase,
            n=LOOKED_AT * n_each,
        )
        misses = [candidate(label, *miss) for miss in missed]
        events = [candidate(label, *one) for one in counted]
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

    ``smoothed``, shape (n_frames,), are the smoothed scores of one label, maybe none; events and
    rules are those of the label. Gives at most ``n``, each with its score.
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
