"""Clips and sets of them: what every way of finding clips gives, and all of training takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from counter.audio import load
from counter.errors import AudioError
from counter.records import FloatArray

SHORTEST_CLIP_S = 0.05
BACKGROUND = -1
Plain = str | int | float


@dataclass(frozen=True)
class Asked:
    """What a person was asked about a clip that ``callcount mine`` picked.

    Attributes
    ----------
    bundle : str
        Name of the bundle that was in doubt, and the beginning of its hash.
    count_error : float or None
        Its count error on made recordings, calls a recording; ``None`` where it does not say.
    recording : str
        What the clip was cut out of.
    candidate : str
        Label that the bundle may have heard.
    span_s : (start_s, end_s)
        The stretch asked about, seconds from the start of ``samples``.
    was_counted : bool
        Whether the bundle counted it.
    score : float
        The bundle's highest smoothed score there, 0 to 1.
    samples : array of float32, shape (n_samples,)
        The stretch with the sound around it, mono at the model's rate.
    """

    bundle: str
    count_error: float | None
    recording: str
    candidate: str
    span_s: tuple[float, float]
    was_counted: bool
    score: float
    samples: FloatArray


@dataclass(frozen=True)
class Clip:
    """One clip, decoded as scanning decodes.

    Attributes
    ----------
    name : str
        File name, or recording and times.
    source : str
        What it was cut from; clips of one source never stand on two sides of a split.
    label : int
        Index into the labels, ``BACKGROUND`` where it holds no label.
    samples : array of float32, shape (n_samples,)
        Mono sound at the model's rate.
    asked : Asked or None
        What a person was asked, where the clip came so.
    """

    name: str
    source: str
    label: int
    samples: FloatArray
    asked: Asked | None = None


@dataclass(frozen=True)
class Broken:
    """A clip or recording that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Gathered:
    """What one way of finding clips gave.

    Attributes
    ----------
    clips : tuple of Clip
        All that decode.
    broken : tuple of Broken
        The files that don't.
    n_files : int
        Files that were asked for, broken ones included.
    unit : str
        What such a file is called, in the plural.
    is_by_path : bool
        Whether sources are paths of recordings, not names of clips.
    origin : mapping of str to plain values
        Where the clips come from and how many there are, for provenance and model card; empty
        where the settings say it all.
    remarks : tuple of str
        What the user should know, such as what was left out.
    """

    clips: tuple[Clip, ...]
    broken: tuple[Broken, ...] = ()
    n_files: int = 0
    unit: str = "clips"
    is_by_path: bool = False
    origin: Mapping[str, Plain] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipSet:
    """Clips of all labels and the background.

    Attributes
    ----------
    labels : tuple of str
        Names of the labels.
    sample_rate_hz : int
        Rate of every clip's samples.
    clips : tuple of Clip
        All that decode, in order of origin, folder and name.
    broken : tuple of Broken
        All files that don't.
    origins : tuple of mapping
        ``Gathered.origin`` of every way that clips were found, where there is one.
    remarks : tuple of str
        Those of every way that clips were found.
    """

    labels: tuple[str, ...]
    sample_rate_hz: int
    clips: tuple[Clip, ...]
    broken: tuple[Broken, ...] = ()
    origins: tuple[Mapping[str, Plain], ...] = ()
    remarks: tuple[str, ...] = ()

    def subset(self, sources: Sequence[str]) -> ClipSet:
        """The clips of the given sources."""
        kept = set(sources)
        return replace(self, clips=tuple(c for c in self.clips if c.source in kept), broken=())

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

    def told_origins(self) -> list[str]:
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
        raise AudioError(f"too short: {length_s:.3f} s; at least {SHORTEST_CLIP_S} s are needed")
    return samples
