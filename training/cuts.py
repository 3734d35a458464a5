"""Clips cut from annotated recordings: calls where they were marked, background from the rest.

A call is cut exactly as it was marked. Background is what lies ``margin_s`` or more from every
marked call, whatever its label, in pieces of nearly equal length of at most ``background_s``. A
recording that has no row in the table is not used: nobody said that it holds no call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.annotations import Annotation, match_recordings, read_annotations
from counter.audio import probe
from counter.errors import AudioError, ClipError
from counter.files import find_recordings
from training.clipset import BACKGROUND, SHORTEST_CLIP_S, Broken, Clip, Gathered, Plain
from training.pieces import SHORTEST_BACKGROUND_S, Span, background_spans, cut_out
from training.settings import ClipSettings


@dataclass(frozen=True)
class AnnotatedCalls:
    """Annotated recordings: an origin of clips.

    Attributes
    ----------
    settings : ClipSettings
        The table, the folder, and how background is cut.
    calls : mapping of str to tuple of Annotation
        All that was marked, by the recording's path relative to the folder.
    paths : mapping of str to str
        Where these recordings are.
    durations_s : mapping of str to float
        Lengths that they claim, of those that can be opened and say.
    labels : tuple of str
        Labels in the table, sorted; empty where it has none.
    n_unmarked : int
        Recordings in the folder that the table does not name.
    """

    settings: ClipSettings
    calls: Mapping[str, tuple[Annotation, ...]]
    paths: Mapping[str, str]
    durations_s: Mapping[str, float]
    labels: tuple[str, ...]
    n_unmarked: int

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
    """Read the table and find its recordings; nothing is decoded yet.

    Parameters
    ----------
    settings : ClipSettings
        With ``annotations`` and ``recordings``.

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
