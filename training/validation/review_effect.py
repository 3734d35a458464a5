"""Effect of reviewed clips: the earlier model and this one on the clips in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from counter.events.decoding import smooth, spans
from counter.events.rules import EventRules
from counter.records import FloatArray
from counter.timebase import Timebase
from training.data.clip_set import Asked, ClipSet, covers
from training.rule_learning import Learned

HOW_TO_READ = (
    "Each clip was scored, with the sound around it, by a model that had not met its recording: "
    "that of the fold that held it out, or the final one where the recording is kept for testing; "
    "with the rules above, which were learned with these clips among the others. The clips were "
    "picked because the earlier model was in doubt there, so it does badly on them by design: the "
    "figures do not say how much better counts get elsewhere. The error on made recordings is that "
    "of each model on recordings made of its own clips, the reviewed ones among those of this "
    "model. Neither replaces a count by ear."
)


@dataclass(frozen=True)
class ReviewedScores:
    """A reviewed clip with the scores of a model that had not met its source.

    Attributes
    ----------
    name : str
        Of the clip.
    label : int
        What the person heard, as ``Clip.label``.
    asked : Asked
        What was asked.
    scores : array of float32, shape (n_frames, n_labels)
        Frame scores of the whole clip.
    """

    name: str
    label: int
    asked: Asked
    scores: FloatArray


@dataclass(frozen=True)
class ClipChange:
    """One reviewed clip, then and now.

    Attributes
    ----------
    clip, recording : str
        What it is and where it was cut from.
    candidate : str
        Label that it was asked for.
    is_call : bool
        Whether the person heard that call.
    score_then, score_now : float
        Highest smoothed score of the stretch asked about.
    counted_then, counted_now : bool
        Whether an event stood there.
    """

    clip: str
    recording: str
    candidate: str
    is_call: bool
    score_then: float
    score_now: float
    counted_then: bool
    counted_now: bool


@dataclass(frozen=True)
class Change:
    """What changed for one label since the bundle that was in doubt.

    Attributes
    ----------
    bundle : str
        Name of that bundle, and the beginning of its hash.
    label : str
        The label.
    clips : tuple of ClipChange
        Reviewed clips that were asked for it.
    error_then : float or None
        Count error on the made recordings of that bundle, calls a recording; ``None`` where it
        does not say.
    error_now : float
        That of this model.
    """

    bundle: str
    label: str
    clips: tuple[ClipChange, ...]
    error_then: float | None
    error_now: float

    def n_counted(self, *, is_call: bool, now: bool) -> int:
        """Clips that were counted, of those with the call or of those without."""
        of_them = (one for one in self.clips if one.is_call == is_call)
        return sum(one.counted_now if now else one.counted_then for one in of_them)

    def n_clips(self, *, is_call: bool) -> int:
        """Clips with the call, or those without."""
        return sum(one.is_call == is_call for one in self.clips)

    def about(self) -> str:
        """How many clips of how many recordings."""
        n_recordings = len({one.recording for one in self.clips})
        return f"{len(self.clips)} reviewed clips of {n_recordings} recordings"

    def models(self) -> tuple[str, str]:
        """Titles of the columns of ``table`` after its first."""
        return f"{self.bundle}, which was in doubt", "this model"

    def table(self) -> list[tuple[str, ...]]:
        """Figure, then and now, as text."""
        n_calls, n_others = self.n_clips(is_call=True), self.n_clips(is_call=False)
        then = "not known" if self.error_then is None else f"{self.error_then:.3f}"
        rows = []
        for text, is_call in ((f"{n_calls} calls", True), (f"{n_others} other sounds", False)):
            counted = [str(self.n_counted(is_call=is_call, now=now)) for now in (False, True)]
            rows.append((f"counted of the {text}", *counted))
        return [
            *rows,
            ("count error (calls a made recording)", then, f"{self.error_now:.3f}"),
        ]


def clip_table(found: Sequence[Change]) -> pd.DataFrame:
    """A row for each reviewed clip, with the fields of ``ClipChange``."""
    return pd.DataFrame([{"bundle": x.bundle, **asdict(one)} for x in found for one in x.clips])


def score_reviewed(
    score: Callable[[FloatArray], FloatArray], clips: ClipSet
) -> tuple[ReviewedScores, ...]:
    """Scores that a model gives the reviewed clips among some; none where there is none."""
    return tuple(
        ReviewedScores(clip.name, clip.label, clip.asked, score(clip.asked.samples))
        for clip in clips.clips
        if clip.asked is not None
    )


def changes(
    reviewed: Sequence[ReviewedScores],
    learned: Mapping[str, Learned],
    timebase: Timebase,
) -> tuple[Change, ...]:
    """What changed for each label, by the bundle that was in doubt.

    Parameters
    ----------
    reviewed : sequence of ReviewedScores
        Reviewed clips; empty gives an empty answer. Clips asked for a label that this model does
        not have are left out.
    learned : mapping from label to Learned
        Rules of this model and their error, in the order of the scores' columns.
    timebase : Timebase
        Of the scores.
    """
    rules = {label: one.rules for label, one in learned.items()}
    groups: dict[tuple[str, str], list[ReviewedScores]] = {}
    for one in reviewed:
        if one.asked.candidate in rules:
            groups.setdefault((one.asked.bundle, one.asked.candidate), []).append(one)
    found = []
    for (bundle, label), group in sorted(groups.items()):
        clips = tuple(_clip_change(one, label, rules, timebase) for one in group)
        error_now = learned[label].error.count_error
        found.append(Change(bundle, label, clips, group[0].asked.count_error, error_now))
    return tuple(found)


def _clip_change(
    reviewed: ReviewedScores, label: str, rules: Mapping[str, EventRules], timebase: Timebase
) -> ClipChange:
    asked, column = reviewed.asked, list(rules).index(label)
    smoothed = smooth(reviewed.scores[:, column], rules[label].smooth_s, timebase)
    events = [
        (timebase.frame_start_s(start), timebase.frame_start_s(stop))
        for start, stop in spans(smoothed, rules[label], timebase)
    ]
    start = min(int(asked.span_s[0] / timebase.frame_s), len(smoothed) - 1)
    inside = smoothed[start : max(start + 1, timebase.frames(asked.span_s[1]))]
    return ClipChange(
        clip=reviewed.name,
        recording=asked.recording,
        candidate=label,
        is_call=reviewed.label == column,
        score_then=asked.score,
        score_now=float(np.max(inside)),
        counted_then=asked.was_counted,
        counted_now=any(covers(event, asked.span_s) for event in events),
    )
