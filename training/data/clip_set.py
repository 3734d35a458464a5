"""Clip sets: clips of every origin joined, split into sides and folds by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from counter.audio.stream import load
from counter.errors import AudioError
from counter.records import FloatArray

SHORTEST_CLIP_S = 0.0005
BACKGROUND = -1
Plain = str | int | float


@dataclass(frozen=True)
class Asked:
    """What a person was asked about a clip that ``callcount mine`` picked."""

    bundle: str  # name of the bundle that was in doubt, and the beginning of its hash
    # Its count error on made recordings, calls a recording; ``None`` where it does not say.
    count_error: float | None
    recording: str  # what the clip was cut out of
    candidate: str  # label that the bundle may have heard
    span_s: tuple[float, float]  # asked about, from the start of ``samples``
    was_counted: bool  # whether the bundle counted it
    score: float  # the bundle's highest smoothed score there, 0 to 1
    # That stretch with the sound around it, mono at the model's rate, shape (n_samples,).
    samples: FloatArray


@dataclass(frozen=True)
class Clip:
    """One clip, decoded as scanning decodes."""

    name: str  # file name, or recording and times
    source: str  # what it was cut from; clips of one never stand on two sides of a split
    label: int  # index into the labels, ``BACKGROUND`` where it holds no label
    samples: FloatArray  # mono sound at the model's rate, shape (n_samples,)
    asked: Asked | None = None  # what a person was asked, where the clip came so


@dataclass(frozen=True)
class KnownRecording:
    """Sound with known calls: a stretch of an annotated recording, or one made of clips."""

    samples: FloatArray  # mono, shape (n_samples,)
    # (label index, start_s, end_s) in order of start; calls of a made recording do not overlap.
    calls: tuple[tuple[int, float, float], ...]
    source: str = ""  # as of ``Clip``; empty where it was made
    is_made: bool = True  # whether it was made of clips; else it was annotated


@dataclass(frozen=True)
class Broken:
    """A clip or recording that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Gathered:
    """What one way of finding clips gave."""

    clips: tuple[Clip, ...]  # all that decode
    recordings: tuple[KnownRecording, ...] = ()  # what clips were cut from, where calls are known
    broken: tuple[Broken, ...] = ()  # the files that don't
    n_files: int = 0  # files that were asked for, broken ones included
    unit: str = "clips"  # what such a file is called, in the plural
    is_by_path: bool = False  # whether sources are paths of recordings, not names of clips
    # Where the clips come from and how many there are, for provenance and model card; empty where
    # the settings say it all.
    origin: Mapping[str, Plain] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # what the user should know, such as what was left out


@dataclass(frozen=True)
class ClipSet:
    """Clips of all labels and the background."""

    labels: tuple[str, ...]
    sample_rate_hz: int
    clips: tuple[Clip, ...]  # all that decode, in order of origin, folder and name
    # Annotated recordings, or stretches of them, which some of the clips were cut from.
    recordings: tuple[KnownRecording, ...] = ()
    # Calls of each label in all annotated recordings, of a subset those of the whole; empty for 0.
    n_known_calls: tuple[int, ...] = ()
    broken: tuple[Broken, ...] = ()  # all files that don't
    # ``Gathered.origin`` of every way that clips were found, where there is one.
    origins: tuple[Mapping[str, Plain], ...] = ()
    remarks: tuple[str, ...] = ()  # those of every way that clips were found

    def subset(self, sources: Sequence[str]) -> ClipSet:
        """The clips and recordings of the given sources."""
        kept = set(sources)
        return replace(
            self,
            clips=tuple(clip for clip in self.clips if clip.source in kept),
            recordings=tuple(one for one in self.recordings if one.source in kept),
            broken=(),
        )

    def of(self, label: int) -> list[Clip]:
        """The clips of one label, ``BACKGROUND`` for those without."""
        return [clip for clip in self.clips if clip.label == label]

    def sources_of(self, label: int) -> list[str]:
        """Sources of one label, in order of name."""
        return sorted({clip.source for clip in self.of(label)})

    def classes(self) -> list[int]:
        """Background, where there is any, then every label."""
        background = [BACKGROUND] if self.of(BACKGROUND) else []
        return [*background, *range(len(self.labels))]

    def described_origins(self) -> list[str]:
        """A line for each origin that says more than the settings do."""
        return [
            ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in origin.items())
            for origin in self.origins
        ]

    def named(self, label: int) -> str:
        """A class as messages call it."""
        return "background" if label == BACKGROUND else f"label '{self.labels[label]}'"


def read_clip(path: Path, sample_rate_hz: int) -> FloatArray:
    """A whole file as one clip.

    Raises
    ------
    AudioError
        It does not decode, holds NaN or infinite samples, or is shorter than ``SHORTEST_CLIP_S``.
    """
    samples, facts = load(path, sample_rate_hz)
    if facts.n_nonfinite:
        raise AudioError(f"{facts.n_nonfinite} samples are NaN or infinite")
    if len(samples) < SHORTEST_CLIP_S * sample_rate_hz:
        length_s = len(samples) / sample_rate_hz
        raise AudioError(f"too short: {length_s:.5f} s; at least {SHORTEST_CLIP_S} s are needed")
    return samples


# An event is that of a stretch when it holds this share of the shorter of the two.
LEAST_SHARE = 0.5


Span = tuple[float, float]


def covers(event: Span, span: Span) -> bool:
    """Whether an event is that of a stretch: they share ``LEAST_SHARE`` of the shorter one."""
    shared = min(event[1], span[1]) - max(event[0], span[0])
    return shared >= LEAST_SHARE * min(event[1] - event[0], span[1] - span[0])
