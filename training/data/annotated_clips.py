"""Clips cut from annotated recordings, and these recordings as sound with known calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from counter.audio.clips import read_spans
from counter.audio.stream import probe
from counter.errors import AudioError, ClipError
from counter.formats.annotations import BEYOND_S, Annotation, match_recordings, read_annotations
from counter.records import FloatArray
from counter.storage.inputs import find_recordings
from counter.timebase import Timebase
from training.data.clip_set import (
    BACKGROUND,
    SHORTEST_CLIP_S,
    Broken,
    Clip,
    Gathered,
    KnownRecording,
    Plain,
)
from training.settings.train_settings import ClipSettings

# A piece of background shorter than this would be heard as its own repetition; where calls are
# shorter, one that is shorter than a call.
SHORTEST_BACKGROUND_S, SHORTEST_BACKGROUND_CALLS = 0.5, 1.0
# Where calls are short and close, background begins so many of their lengths beside them.
MARGIN_CALLS = 0.5
# A piece of background lasts at most so many of them: short calls have fine frames, many a second.
LONGEST_BACKGROUND_CALLS = 40.0
# The only recording that there is, is cut in time into at most so many sources.
MOST_PARTS = 6
# Share of marks that may be left out before the table is refused.
MAX_ODD_SHARE = 0.1
# At most so much of one recording is learned from whole, and so many samples of all together.
LONGEST_S, MOST_SAMPLES = 600.0, 120_000_000
# Of a longer one: what lies so far to either side of its calls, and background for the rest.
LEAD_S, CALLS_SHARE = 30.0, 2 / 3
Span = tuple[float, float]


def background_spans(
    calls: Iterable[Span],
    duration_s: float,
    settings: ClipSettings,
    *,
    most_s: float,
    typical_s: float = float("inf"),
) -> list[Span]:
    """What lies ``margin_s`` away from all calls, in pieces of up to ``background_s``, in order.

    Calls stand in any order and may overlap. Above ``most_s`` of all together, pieces are left out
    evenly; none is shorter than ``SHORTEST_BACKGROUND_S``. Where calls typically last less, margin,
    shortest and longest piece are shares of ``typical_s``. Empty where calls leave no room.
    """
    margin_s = min(settings.margin_s, MARGIN_CALLS * typical_s)
    longest_s = min(settings.background_s, LONGEST_BACKGROUND_CALLS * typical_s)
    shortest_s = min(SHORTEST_BACKGROUND_S, SHORTEST_BACKGROUND_CALLS * typical_s)
    pieces: list[Span] = []
    free_s = 0.0
    for start_s, end_s in [*sorted(calls), (duration_s + margin_s, float("inf"))]:
        if start_s - margin_s - free_s >= shortest_s:
            pieces += _pieces(free_s, start_s - margin_s, longest_s)
        free_s = max(free_s, end_s + margin_s)
    return _thinned(pieces, most_s)


def _pieces(start_s: float, end_s: float, longest_s: float) -> list[Span]:
    """A stretch in pieces of equal length."""
    edges_s = np.linspace(start_s, end_s, int(np.ceil((end_s - start_s) / longest_s)) + 1)
    return list(zip(edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True))


def _thinned(spans: Sequence[Span], most_s: float) -> list[Span]:
    """Spans left out evenly until all together last ``most_s``; at least one stays."""
    total_s = sum(end_s - start_s for start_s, end_s in spans)
    share = min(1.0, most_s / total_s) if total_s else 1.0
    n_kept = max(1, int(share * len(spans)))
    kept = np.linspace(0, len(spans), n_kept, endpoint=False).astype(int)
    return [spans[index] for index in kept] if spans else []


def known_spans(calls: Sequence[Span], within: Span, most_s: float) -> list[Span]:
    """Stretches of a recording that are learned from whole: all of it, or what is about its calls.

    Of more than ``most_s``, two thirds go to what lies about the calls, the rest to what lies far
    from all of them; both are thinned evenly. In order, apart from one another; each is no longer
    than ``most_s``.
    """
    start_s, end_s = within
    if end_s - start_s <= most_s:
        return [within] if end_s > start_s else []
    lead_s = min(LEAD_S, most_s / 16)
    about: list[Span] = []
    for first_s, last_s in sorted(calls):
        low_s, high_s = max(start_s, first_s - lead_s), min(end_s, last_s + lead_s)
        if about and low_s <= about[-1][1]:
            about[-1] = (about[-1][0], max(about[-1][1], high_s))
        else:
            about.append((low_s, high_s))
    edges_s = [start_s, *(edge for span in about for edge in span), end_s]
    free = [
        piece
        for low_s, high_s in zip(edges_s[::2], edges_s[1::2], strict=True)
        if high_s - low_s >= lead_s
        for piece in _pieces(low_s, high_s, 2 * lead_s)
    ]
    longest_s = CALLS_SHARE * most_s / 2
    parts = [piece for span in about for piece in _pieces(*span, longest_s)]
    return sorted(
        [*_thinned(parts, CALLS_SHARE * most_s), *_thinned(free, (1 - CALLS_SHARE) * most_s)]
    )


def time_cuts_s(calls: Sequence[Span], n_parts: int) -> list[float]:
    """Where a recording is cut so that each part holds about as many calls.

    Each cut stands in the middle of the longest pause near its place, and is left out where calls
    overlap; in order. Empty for fewer than two calls.
    """
    spans = sorted(calls)
    n_parts = min(n_parts, len(spans))
    ends_s = np.maximum.accumulate([end_s for _, end_s in spans]) if spans else np.zeros(0)
    reach = len(spans) // (4 * max(n_parts, 1))
    cuts_s = []
    for number in range(1, n_parts):
        place = round(number * len(spans) / n_parts)
        near = range(max(1, place - reach), min(len(spans) - 1, place + reach) + 1)
        index = max(near, key=lambda at: spans[at][0] - ends_s[at - 1])
        if spans[index][0] > ends_s[index - 1]:
            cuts_s.append(float(spans[index][0] + ends_s[index - 1]) / 2)
    return cuts_s


def cut_out(path: str, spans: Sequence[Span], sample_rate_hz: int) -> list[FloatArray]:
    """Cut spans from a recording in one pass, so that no more than they are held in memory.

    Spans stand in any order and may overlap; samples that are no numbers are taken as 0, as in a
    scan. What was cut is shorter, or empty, where the recording ends before.

    Raises
    ------
    AudioError
        It does not decode.
    """
    timebase = Timebase(sample_rate_hz, 1)
    edges = [(timebase.samples(start_s), timebase.samples(end_s)) for start_s, end_s in spans]
    order = sorted(range(len(edges)), key=lambda index: edges[index])
    found = read_spans(Path(path), sample_rate_hz, [edges[index] for index in order])
    # A span is a view of what was read: copied, the rest can go.
    cut = {index: samples.copy() for index, samples in zip(order, found, strict=True)}
    return [cut[index] for index in range(len(edges))]


@dataclass(frozen=True)
class AnnotatedCalls:
    """Annotated recordings: an origin of clips."""

    settings: ClipSettings  # the table, the folder, and how background is cut
    # All that was marked, by the recording's path relative to the folder.
    calls: Mapping[str, tuple[Annotation, ...]]
    paths: Mapping[str, str]  # where these recordings are
    durations_s: Mapping[str, float]  # lengths that they claim, of those that can be opened and say
    labels: tuple[str, ...]  # labels in the table, sorted; empty where it has none
    n_unmarked: int  # recordings in the folder that the table does not name
    remarks: tuple[str, ...] = ()  # marks that were left out

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Cut calls and background of every annotated recording at one rate.

        Calls of labels that are not among ``labels`` are in no clip. Recordings, or what is learned
        of them, come whole; there these calls are among all that is not to be counted.

        Raises
        ------
        ClipError
            The table has no label column and there are several labels, or it has one and knows
            none of ``labels``.
        """
        self._check_labels(labels)
        clips: list[Clip] = []
        recordings: list[KnownRecording] = []
        broken: list[Broken] = []
        remarks = self._remarks(labels)
        for name in self.calls:
            try:
                cut = self._cut(name, labels, sample_rate_hz)
            except AudioError as error:
                broken.append(Broken(self.paths[name], str(error)))
                continue
            clips += cut.clips
            recordings += cut.recordings
            remarks += cut.remarks
        return Gathered(
            tuple(clips),
            tuple(recordings),
            tuple(broken),
            n_files=len(self.calls),
            unit="recordings",
            is_by_path=True,
            origin=self._origin(clips, sample_rate_hz, len(self.calls) - len(broken)),
            remarks=tuple(remarks),
        )

    @cached_property
    def typical_s(self) -> float:
        """Median length of the marked calls."""
        every = (one for calls in self.calls.values() for one in calls)
        return float(np.median([one.end_s - one.start_s for one in every]))

    def background_spans(self, name: str, most_s: float) -> list[Span]:
        """Pieces of one recording's background, as ``background_spans`` cuts them."""
        # A cut between two sources is kept clear of, as a call is.
        calls = [*self._spans(name), *((at_s, at_s) for at_s in self._cuts_s(name))]
        return background_spans(
            calls,
            self._duration_s(name),
            self.settings,
            most_s=most_s,
            typical_s=self.typical_s,
        )

    def _spans(self, name: str) -> list[Span]:
        return [(one.start_s, one.end_s) for one in self.calls[name]]

    def _duration_s(self, name: str) -> float:
        return self.durations_s.get(name, max(end_s for _, end_s in self._spans(name)))

    def _cuts_s(self, name: str) -> list[float]:
        """Where a recording is cut into sources: nowhere, but where it is the only one."""
        return time_cuts_s(self._spans(name), MOST_PARTS) if len(self.calls) == 1 else []

    def _sources(self, name: str) -> list[tuple[str, Span]]:
        """The sources that a recording is, and what of it each is."""
        cuts_s = self._cuts_s(name)
        edges_s = [0.0, *cuts_s, max(self._duration_s(name), *cuts_s, 0.0)]
        spans = list(zip(edges_s[:-1], edges_s[1:], strict=True))
        if len(spans) == 1:
            return [(name, spans[0])]
        return [(f"{name} part {number}", span) for number, span in enumerate(spans, 1)]

    def _origin(
        self, clips: Sequence[Clip], sample_rate_hz: int, n_recordings: int
    ) -> dict[str, Plain]:
        background = [clip for clip in clips if clip.label == BACKGROUND]
        background_s = sum(len(clip.samples) for clip in background) / sample_rate_hz
        return {
            "annotations": str(self.settings.annotations),
            "recordings": str(self.settings.recordings),
            "annotated_recordings": n_recordings,
            "calls": len(clips) - len(background),
            "background_clips": len(background),
            "background_s": round(background_s, 1),
        }

    def _check_labels(self, labels: Sequence[str]) -> None:
        table = self.settings.annotations
        if not self.labels and len(labels) > 1:
            raise ClipError(
                f"{table} has no labels, but there are several: {', '.join(labels)}.",
                "Add a column 'label' to it.",
            )
        if self.labels and not set(self.labels) & set(labels):
            raise ClipError(
                f"{table} has no call of {', '.join(map(repr, labels))}; its labels are "
                f"{', '.join(map(repr, self.labels[:10]))}.",
                "Give one of these as --label, or none to train on all.",
            )

    def _remarks(self, labels: Sequence[str]) -> list[str]:
        remarks = list(self.remarks)
        if self.n_unmarked:
            remarks.append(
                f"recordings in {self.settings.recordings} without a row in "
                f"{self.settings.annotations}, not used: {self.n_unmarked}"
            )
        others = sorted(set(self.labels) - set(labels))
        if others:
            n_calls = sum(one.label in others for calls in self.calls.values() for one in calls)
            remarks.append(
                f"annotated calls of other labels ({', '.join(others[:5])}), not to be counted: "
                f"{n_calls}"
            )
        if len(self.calls) == 1:
            (name,) = self.calls
            remarks.append(
                f"{name} is the only recording: cut in time into {len(self._sources(name))} parts, "
                "each in turn the unseen one; other sites, days and recorders were not tried"
            )
        return remarks

    def _cut(self, name: str, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """The clips of one recording, and what is learned of it whole.

        Raises
        ------
        AudioError
            It cannot be used.
        """
        wanted = [one for one in self.calls[name] if one.label in labels or not one.label]
        calls = [(one.start_s, one.end_s) for one in wanted]
        classes = [labels.index(one.label or labels[0]) for one in wanted]
        rest = self.background_spans(name, self.settings.background_per_recording_s)
        whole = self._whole(name, calls, sample_rate_hz)
        spans = [*calls, *rest, *(span for _, span in whole)]
        cut = cut_out(self.paths[name], spans, sample_rate_hz)
        shortest_s = min(SHORTEST_BACKGROUND_S, SHORTEST_BACKGROUND_CALLS * self.typical_s)
        sources = self._sources(name)
        clips, n_lost = [], 0
        for span, samples, label in zip(
            spans, cut, [*classes, *[BACKGROUND] * len(rest)], strict=False
        ):
            least_s = shortest_s if label == BACKGROUND else SHORTEST_CLIP_S
            if len(samples) + 1 < least_s * sample_rate_hz:
                n_lost += label != BACKGROUND
                continue
            title = f"{name} {span[0]:.2f}-{span[1]:.2f} s"
            clips.append(Clip(title, _source_at(sources, sum(span) / 2), label, samples))
        recordings = [
            KnownRecording(samples, _within(calls, classes, span), source, is_made=False)
            for (source, span), samples in zip(whole, cut[len(calls) + len(rest) :], strict=True)
            if len(samples)
        ]
        return Gathered(tuple(clips), tuple(recordings), remarks=_cut_remarks(name, clips, n_lost))

    def _whole(
        self, name: str, calls: Sequence[Span], sample_rate_hz: int
    ) -> list[tuple[str, Span]]:
        """What of one recording is learned from whole, each stretch with its source."""
        most_s = min(LONGEST_S, MOST_SAMPLES / sample_rate_hz / len(self.calls))
        return [
            (source, span)
            for source, within in self._sources(name)
            for span in known_spans(
                [one for one in calls if within[0] <= sum(one) / 2 < within[1]], within, most_s
            )
        ]


def _cut_remarks(name: str, clips: Sequence[Clip], n_lost: int) -> tuple[str, ...]:
    remarks = []
    if n_lost:
        remarks.append(f"{name} ends early; annotated calls after its end: {n_lost}")
    if all(clip.label != BACKGROUND for clip in clips):
        remarks.append(f"{name}: no background between its calls")
    return tuple(remarks)


def _source_at(sources: Sequence[tuple[str, Span]], at_s: float) -> str:
    later = (source for source, (_, end_s) in sources if at_s < end_s)
    return next(later, sources[-1][0])


def _within(
    calls: Sequence[Span], classes: Sequence[int], span: Span
) -> tuple[tuple[int, float, float], ...]:
    """What of the calls lies in a stretch, with their labels, counted from its start."""
    found = [
        (label, max(start_s, span[0]) - span[0], min(end_s, span[1]) - span[0])
        for (start_s, end_s), label in zip(calls, classes, strict=True)
    ]
    return tuple(sorted((one for one in found if one[1] < one[2]), key=lambda one: one[1]))


def annotated_calls(settings: ClipSettings) -> AnnotatedCalls:
    """Read the table of the settings and find its recordings; nothing is decoded yet.

    Marks that are shorter than ``SHORTEST_CLIP_S``, or end after their recording, are left out and
    named in ``remarks``.

    Raises
    ------
    CallcountError
        The folder is not there or empty; what ``read_annotations`` and ``match_recordings`` raise;
        more than ``MAX_ODD_SHARE`` of the marks to be left out; labels in some rows alone; no call
        at all.
    """
    folder, table = Path(str(settings.recordings)), Path(str(settings.annotations))
    annotations = read_annotations(table)
    _check(annotations, table)
    found = {one.name: one.path for one in find_recordings([folder])}
    hint = f"Check the names, or give the folder that holds them with --recordings (now {folder})."
    matched = match_recordings(annotations, list(found), hint=hint).by_recording
    durations_s = _durations_s({name: found[name] for name in matched})
    odd = {
        one.place: why
        for name, calls in matched.items()
        for one in calls
        if (why := _oddness(one, name, durations_s.get(name)))
    }
    remarks = _odd_remarks(odd, len(annotations), table)
    kept = {
        name: tuple(one for one in matched[name] if one.place not in odd)
        for name in sorted(matched)
    }
    return AnnotatedCalls(
        settings=settings,
        calls={name: calls for name, calls in kept.items() if calls},
        paths={name: found[name] for name in matched},
        durations_s=durations_s,
        labels=tuple(sorted({one.label for calls in kept.values() for one in calls if one.label})),
        n_unmarked=len(found) - len(matched),
        remarks=remarks,
    )


def _oddness(one: Annotation, name: str, duration_s: float | None) -> str:
    """Why a mark cannot be a call; empty where it can."""
    length_s = one.end_s - one.start_s
    if length_s < SHORTEST_CLIP_S:
        return f"{length_s:.4f} s long, at least {SHORTEST_CLIP_S} s are needed"
    if duration_s is not None and one.end_s > duration_s + BEYOND_S:
        return f"ends at {one.end_s} s, but {name} is only {duration_s:.3f} s long"
    return ""


def _odd_remarks(odd: Mapping[str, str], n_marks: int, table: Path) -> tuple[str, ...]:
    if not odd:
        return ()
    listed = "; ".join(f"{place}: {why}" for place, why in list(odd.items())[:3])
    more = " ..." if len(odd) > 3 else ""
    if len(odd) > MAX_ODD_SHARE * n_marks:
        raise ClipError(
            f"{len(odd)} of {n_marks} marks in {table} cannot be calls ({listed}{more}).",
            "Mark calls from their start to their end: labels without length, such as points of a "
            "label track, must be drawn out over the call.",
        )
    return (f"marks that cannot be calls, left out: {len(odd)} of {n_marks} ({listed}{more})",)


def _check(annotations: Sequence[Annotation], table: Path) -> None:
    if not annotations:
        raise ClipError(f"{table} holds no call.", "Mark the calls of some recordings first.")
    bare = next((one for one in annotations if not one.label), None)
    if bare is not None and any(one.label for one in annotations):
        raise ClipError(f"{bare.place}: no label, but other rows have one.", "Label every row.")


def _durations_s(paths: Mapping[str, str]) -> dict[str, float]:
    durations_s = {}
    for name, path in paths.items():
        try:
            duration_s = probe(path).duration_s
        except AudioError:
            continue
        if duration_s:
            durations_s[name] = duration_s
    return durations_s
