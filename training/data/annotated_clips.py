"""Clips cut from annotated recordings: marked calls, and background between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counter.audio.clips import read_spans
from counter.audio.stream import probe
from counter.errors import AudioError, ClipError
from counter.formats.annotations import Annotation, match_recordings, read_annotations
from counter.records import FloatArray
from counter.storage.inputs import find_recordings
from counter.timebase import Timebase
from training.data.clip_set import BACKGROUND, SHORTEST_CLIP_S, Broken, Clip, Gathered, Plain
from training.settings.train_settings import ClipSettings

# A piece of background shorter than this would be heard as its own repetition.
SHORTEST_BACKGROUND_S = 0.5
Span = tuple[float, float]


def background_spans(
    calls: Iterable[Span], duration_s: float, settings: ClipSettings, *, most_s: float
) -> list[Span]:
    """What lies ``margin_s`` away from all calls, in pieces of up to ``background_s``, in order.

    Calls stand in any order and may overlap. Above ``most_s`` of all together, pieces are left out
    evenly; none is shorter than ``SHORTEST_BACKGROUND_S``. Empty where calls leave no room.
    """
    pieces: list[Span] = []
    free_s = 0.0
    for start_s, end_s in [*sorted(calls), (duration_s + settings.margin_s, float("inf"))]:
        pieces += _pieces(free_s, start_s - settings.margin_s, settings.background_s)
        free_s = max(free_s, end_s + settings.margin_s)
    total_s = sum(end_s - start_s for start_s, end_s in pieces)
    share = min(1.0, most_s / max(total_s, SHORTEST_BACKGROUND_S))
    n_kept = max(1, int(share * len(pieces)))
    kept = np.linspace(0, len(pieces), n_kept, endpoint=False).astype(int)
    return [pieces[index] for index in kept] if pieces else []


def _pieces(start_s: float, end_s: float, longest_s: float) -> list[Span]:
    """A pause in pieces of equal length; none where it is too short."""
    if end_s - start_s < SHORTEST_BACKGROUND_S:
        return []
    edges_s = np.linspace(start_s, end_s, int(np.ceil((end_s - start_s) / longest_s)) + 1)
    return list(zip(edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True))


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

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Cut calls and background of every annotated recording at one rate.

        Calls of labels that are not among ``labels`` are neither call nor background.

        Raises
        ------
        ClipError
            The table has no label column and there are several labels, or it has one and knows
            none of ``labels``.
        """
        self._check_labels(labels)
        clips: list[Clip] = []
        broken: list[Broken] = []
        remarks = self._remarks(labels)
        for name, calls in self.calls.items():
            try:
                cut = self._cut(name, calls, labels, sample_rate_hz)
            except AudioError as error:
                broken.append(Broken(self.paths[name], str(error)))
                continue
            clips += cut.clips
            remarks += cut.remarks
        return Gathered(
            tuple(clips),
            tuple(broken),
            n_files=len(self.calls),
            unit="recordings",
            is_by_path=True,
            origin=self._origin(clips, sample_rate_hz),
            remarks=tuple(remarks),
        )

    def _origin(self, clips: Sequence[Clip], sample_rate_hz: int) -> dict[str, Plain]:
        background = [clip for clip in clips if clip.label == BACKGROUND]
        background_s = sum(len(clip.samples) for clip in background) / sample_rate_hz
        return {
            "annotations": str(self.settings.annotations),
            "recordings": str(self.settings.recordings),
            "annotated_recordings": len({clip.source for clip in clips}),
            "calls": len(clips) - len(background),
            "background_clips": len(background),
            "background_s": round(background_s, 1),
        }

    def background_spans(self, name: str, most_s: float) -> list[Span]:
        """Pieces of one recording's background, as ``background_spans`` cuts them."""
        calls = [(one.start_s, one.end_s) for one in self.calls[name]]
        duration_s = self.durations_s.get(name, max(end_s for _, end_s in calls))
        return background_spans(calls, duration_s, self.settings, most_s=most_s)

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
        remarks = []
        if self.n_unmarked:
            remarks.append(
                f"recordings in {self.settings.recordings} without a row in "
                f"{self.settings.annotations}, not used: {self.n_unmarked}"
            )
        others = sorted(set(self.labels) - set(labels))
        if others:
            n_calls = sum(one.label in others for calls in self.calls.values() for one in calls)
            remarks.append(
                f"annotated calls of other labels ({', '.join(others[:5])}), not used: {n_calls}"
            )
        return remarks

    def _cut(
        self, name: str, calls: Sequence[Annotation], labels: Sequence[str], sample_rate_hz: int
    ) -> Gathered:
        """The clips of one recording; raises AudioError where it cannot be used."""
        wanted = [one for one in calls if one.label in labels or not one.label]
        rest = self.background_spans(name, self.settings.background_per_recording_s)
        spans = [(one.start_s, one.end_s) for one in wanted] + rest
        classes = [labels.index(one.label or labels[0]) for one in wanted]
        classes += [BACKGROUND] * len(rest)
        clips, n_lost = [], 0
        for span, label, samples in zip(
            spans, classes, cut_out(self.paths[name], spans, sample_rate_hz), strict=True
        ):
            least_s = SHORTEST_BACKGROUND_S if label == BACKGROUND else SHORTEST_CLIP_S
            if len(samples) + 1 < least_s * sample_rate_hz:
                n_lost += label != BACKGROUND
                continue
            title = f"{name} {span[0]:.2f}-{span[1]:.2f} s"
            clips.append(Clip(title, name, label, samples))
        remarks = []
        if n_lost:
            remarks.append(f"{name} ends early; annotated calls after its end: {n_lost}")
        if all(clip.label != BACKGROUND for clip in clips):
            remarks.append(f"{name}: no background between its calls")
        return Gathered(tuple(clips), remarks=tuple(remarks))


def annotated_calls(settings: ClipSettings) -> AnnotatedCalls:
    """Read the table of the settings and find its recordings; nothing is decoded yet.

    Raises
    ------
    CallcountError
        The folder is not there or empty; what ``read_annotations`` and ``match_recordings`` raise;
        a call shorter than ``SHORTEST_CLIP_S``; labels in some rows alone; no call at all.
    """
    folder, table = Path(str(settings.recordings)), Path(str(settings.annotations))
    annotations = read_annotations(table)
    _check(annotations, table)
    found = {one.name: one.path for one in find_recordings([folder])}
    hint = f"Check the names, or give the folder that holds them with --recordings (now {folder})."
    matched = match_recordings(annotations, list(found), hint=hint).by_recording
    durations_s = _durations_s({name: found[name] for name in matched})
    match_recordings(annotations, list(found), durations_s=durations_s)
    return AnnotatedCalls(
        settings=settings,
        calls={name: matched[name] for name in sorted(matched)},
        paths={name: found[name] for name in matched},
        durations_s=durations_s,
        labels=tuple(sorted({one.label for one in annotations if one.label})),
        n_unmarked=len(found) - len(matched),
    )


def _check(annotations: Sequence[Annotation], table: Path) -> None:
    if not annotations:
        raise ClipError(f"{table} holds no call.", "Mark the calls of some recordings first.")
    for one in annotations:
        if one.end_s - one.start_s < SHORTEST_CLIP_S:
            raise ClipError(
                f"{one.place}: the call is {one.end_s - one.start_s:.3f} s long; at least "
                f"{SHORTEST_CLIP_S} s are needed.",
                "Mark calls from their start to their end.",
            )
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
