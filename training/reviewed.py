"""Clips that ``callcount mine`` picked and a person labelled: calls, and hard background.

A call is cut at the candidate's own times, as the person left or corrected them. Where there is no
call, the candidate is background, with the sound on either side that has no other event near it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from counter.config import suggest
from counter.errors import AudioError, ClipError
from counter.output.review import NO_CALL, UNSURE, Answer, read_review
from counter.timebase import Timebase
from training.clipset import (
    BACKGROUND,
    SHORTEST_CLIP_S,
    Asked,
    Broken,
    Clip,
    Gathered,
    Plain,
    read_clip,
)
from training.difference import covers
from training.pieces import SHORTEST_BACKGROUND_S


class ReviewedClips:
    """A folder that ``callcount mine`` wrote, its table filled in: an origin of clips.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    CallcountError
        What ``read_review`` raises.
    """

    # A slip of the pen in a table must not become a label of the model.
    labels: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self._review = read_review(folder)

    def gather(self, labels: Sequence[str], sample_rate_hz: int) -> Gathered:
        """Cut the call or the background out of every clip that was labelled.

        Raises
        ------
        ClipError
            A label that is none of ``labels``, or a call shorter than ``SHORTEST_CLIP_S``.
        """
        review = self._review
        for answer in review.answers:
            _check(answer, labels)
        clips: list[Clip] = []
        broken: list[Broken] = []
        for answer in review.answers:
            try:
                clips.append(self._clip(answer, labels, sample_rate_hz))
            except AudioError as error:
                broken.append(Broken(str(answer.path), str(error)))
        least = SHORTEST_BACKGROUND_S * sample_rate_hz
        used = [x for x in clips if x.label != BACKGROUND or len(x.samples) + 1 >= least]
        return Gathered(
            tuple(used),
            tuple(broken),
            n_files=len(review.answers),
            unit="reviewed clips",
            is_by_path=True,
            origin=self._origin(labels),
            remarks=tuple(self._remarks(len(clips) - len(used))),
        )

    def _clip(self, answer: Answer, labels: Sequence[str], sample_rate_hz: int) -> Clip:
        mined, plan = answer.mined, self._review.plan
        whole = read_clip(answer.path, sample_rate_hz)
        timebase = Timebase(sample_rate_hz, 1)
        span_s = (mined.call_start_s, mined.call_end_s)
        asked_s = (answer.start_s, answer.end_s) if answer.label else span_s
        return Clip(
            name=f"{self._review.folder.name}/{mined.clip}",
            source=mined.recording,
            label=labels.index(answer.label) if answer.label else BACKGROUND,
            samples=whole[timebase.samples(answer.start_s) : timebase.samples(answer.end_s)],
            asked=Asked(
                bundle=f"{plan.bundle['name']} {plan.bundle['hash'][:8]}",
                count_error=plan.count_error.get(mined.candidate),
                recording=mined.recording,
                candidate=mined.candidate,
                span_s=asked_s,
                was_counted=mined.is_counted and covers(span_s, asked_s),
                score=mined.score,
                samples=whole,
            ),
        )

    def _origin(self, labels: Sequence[str]) -> dict[str, Plain]:
        review = self._review
        said = [one.label for one in review.answers]
        return {
            "reviewed": str(review.folder),
            "mined_by": review.plan.bundle["name"],
            "bundle_hash": review.plan.bundle["hash"],
            **{f"calls_of_{label}": said.count(label) for label in labels},
            "no_call": said.count(""),
            "unsure": review.n_unsure,
            "not_looked_at": review.n_open,
        }

    def _remarks(self, n_short: int) -> list[str]:
        review = self._review
        remarks = []
        if review.n_open or review.n_unsure:
            remarks.append(
                f"{review.folder}: {len(review.answers)} of {len(review.plan.clips)} clips are "
                f"used; {review.n_unsure} are unsure, {review.n_open} not filled in"
            )
        if n_short:
            remarks.append(
                f"{review.folder}: {n_short} stretches without a call are beside one and shorter "
                f"than {SHORTEST_BACKGROUND_S} s: not used"
            )
        return remarks


def _check(answer: Answer, labels: Sequence[str]) -> None:
    if answer.label and answer.label not in labels:
        near = suggest(answer.label, [*labels, *NO_CALL, UNSURE])
        raise ClipError(
            f"{answer.place}: label {answer.label!r}{near} is none of those to train on: "
            f"{', '.join(labels)}.",
            f"Write one of them, `{NO_CALL[0]}` or `{UNSURE}`, or leave it empty.",
        )
    if answer.label and answer.end_s - answer.start_s < SHORTEST_CLIP_S:
        raise ClipError(
            f"{answer.place}: the call is {answer.end_s - answer.start_s:.3f} s long; at least "
            f"{SHORTEST_CLIP_S} s are needed.",
            "Correct call_start_s and call_end_s.",
        )
