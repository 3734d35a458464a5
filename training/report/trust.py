"""Trust: what speaks against counting with a model, and what to bring."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.data.clip_set import BACKGROUND, ClipSet
from training.rule_learning import CountError
from training.validation.cross_fit import CrossFit

# Below this F1 more of the calls and events are mistaken than are paired: no count is meant by it.
LEAST_F1 = 0.5
# Below this one, or with found and known calls further apart than this share, it is doubtful.
DOUBTFUL_F1, DOUBTFUL_SHARE = 0.7, 0.15
# With fewer sources no spread between them is known.
LEAST_SOURCES = 3
NOT_YET = "do not count with this yet"


@dataclass(frozen=True)
class LabelTrust:
    """What one label's counts came to on recordings that the scoring models had not met."""

    label: str
    error: CountError
    is_on_made: bool  # whether made recordings are among these
    warnings: tuple[str, ...]  # each with what to bring

    @property
    def is_unfit(self) -> bool:
        """Whether nothing should be counted with it."""
        return self.error.f1 < LEAST_F1

    @property
    def why_unfit(self) -> str:
        """A line for whoever would count with it; empty where one may."""
        if not self.is_unfit:
            return ""
        return (
            f"{NOT_YET}: of {self.error.n_calls} {self.label} calls that training knew, models "
            f"that had not met them found {self.error.n_paired}, and {self.error.n_false} events "
            "that are none"
        )

    @property
    def said(self) -> tuple[str, ...]:
        """All that speaks against it, the gravest first."""
        return (self.why_unfit, *self.warnings) if self.is_unfit else self.warnings


def trust_of(crossed: CrossFit, clips: ClipSet) -> tuple[LabelTrust, ...]:
    """What is to be said of each label, in their order; ``crossed`` has its rules."""
    return tuple(
        LabelTrust(
            label=name,
            error=learned.error,
            is_on_made=any(one.is_made for one in scored),
            warnings=tuple(_warnings(name, learned.error, clips, label)),
        )
        for label, (name, learned, scored) in enumerate(
            zip(clips.labels, crossed.learned, crossed.scored, strict=True)
        )
    )


def _warnings(name: str, error: CountError, clips: ClipSet, label: int) -> Iterator[str]:
    apart = abs(error.n_events - error.n_calls)
    if apart > DOUBTFUL_SHARE * error.n_calls:
        yield (
            f"{name}: {error.n_events} found of {error.n_calls} known calls. Mark more recordings "
            "like those that it errs in."
        )
    if error.f1 < DOUBTFUL_F1:
        yield (
            f"{name}: F1 is {error.f1:.2f}. Bring calls as loud as those to be counted, from more "
            "recordings, and look at spectrogram_examples.png: can you see the call there?"
        )
    n_sources = len(clips.sources_of(label))
    if n_sources < LEAST_SOURCES:
        yield (
            f"{name}: calls of {n_sources} sources only. How it does elsewhere is not known; bring "
            "calls of other sites or days."
        )
    same = _on_both_sides(clips, label)
    if same:
        yield (
            f"{name}: {len(same)} clips are among the calls and in the background as well "
            f"({', '.join(same[:3])}). Take them out of one of the two."
        )


def _on_both_sides(clips: ClipSet, label: int) -> Sequence[str]:
    """Names of clips whose sound is also a background clip."""
    background = {_digest(clip.samples.tobytes()) for clip in clips.of(BACKGROUND)}
    return [clip.name for clip in clips.of(label) if _digest(clip.samples.tobytes()) in background]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
