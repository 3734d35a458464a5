"""Annotated recordings themselves, as sound with known calls: what the rules will meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from counter.annotations import Annotation
from counter.errors import AudioError
from training.clips import ClipSet, is_source_of
from training.cuts import AnnotatedCalls, annotated_calls
from training.made import MadeRecording
from training.pieces import Span, cut_out
from training.settings import ClipSettings

# Recordings with so many annotated calls of each label show what is to be counted better than
# recordings that are made.
LEAST_CALLS = 30
# So much of a recording is taken, from so long before its first call on.
LONGEST_S, LEAD_S = 600.0, 30.0


def is_enough(settings: ClipSettings, labels: Sequence[str]) -> bool:
    """Whether so much is annotated that no recordings need be made: ``LEAST_CALLS`` each label."""
    if settings.annotations is None:
        return False
    marked = [one for calls in annotated_calls(settings).calls.values() for one in calls]
    counts = Counter(one.label or labels[0] for one in marked)
    return min(counts[label] for label in labels) >= LEAST_CALLS


def recordings_of(settings: ClipSettings, clips: ClipSet) -> list[MadeRecording]:
    """The annotated recordings that some of the clips were cut from, at the clips' rate.

    Parameters
    ----------
    settings : ClipSettings
        Without ``annotations`` there are none.
    clips : ClipSet
        Its sources say which recordings are meant, its labels which calls.

    Returns
    -------
    list of MadeRecording
        At most ``LONGEST_S`` of each, ended before a call that would be cut; those that do not
        decode are left out.
    """
    if settings.annotations is None:
        return []
    annotated, found = annotated_calls(settings), []
    sources = {clip.source for clip in clips.clips}
    for name in annotated.calls:
        if any(is_source_of(source, name) for source in sources):
            try:
                found.append(_recording(annotated, name, clips))
            except AudioError:
                continue  # named, and counted with what failed, when clips were cut
    return [one for one in found if len(one.samples)]


def _recording(annotated: AnnotatedCalls, name: str, clips: ClipSet) -> MadeRecording:
    calls = annotated.calls[name]
    span = _stretch(calls, annotated.durations_s.get(name, max(one.end_s for one in calls)))
    labelled = [
        (
            clips.labels.index(one.label or clips.labels[0]),
            one.start_s - span[0],
            one.end_s - span[0],
        )
        for one in sorted(calls, key=lambda one: one.start_s)
        if (one.label in clips.labels or not one.label) and one.end_s <= span[1]
    ]
    samples = cut_out(annotated.paths[name], [span], clips.sample_rate_hz)[0]
    return MadeRecording(samples, tuple(labelled), is_made=False)


def _stretch(calls: Sequence[Annotation], duration_s: float) -> Span:
    """From shortly before the first call on, to where no call is cut."""
    start_s = max(0.0, min(one.start_s for one in calls) - LEAD_S)
    end_s = min(start_s + LONGEST_S, duration_s)
    for one in sorted(calls, key=lambda one: -one.start_s):
        if one.start_s < end_s < one.end_s:
            end_s = one.start_s
    return start_s, end_s
