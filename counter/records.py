"""The records that pass between the rooms; frozen, units in names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

OK = "ok"
TRUNCATED = "truncated"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to scan.

    Attributes
    ----------
    path : str
        Where it is.
    name : str
        Path relative to the folder that was given, with ``/``; unique in a scan.
    size_bytes : int
        Size when it was listed, -1 where that could not be read.
    modified_s : float
        Seconds since the epoch of its last change when it was listed, 0 where unknown.
    """

    path: str
    name: str
    size_bytes: int = -1
    modified_s: float = 0.0


@dataclass(frozen=True)
class Event:
    """One call: detections of one label, merged.

    Attributes
    ----------
    label : str
        What was counted.
    start_s, end_s, peak_s : float
        Start, end and place of the highest score, seconds from the recording's start.
    score : float
        Highest smoothed score in the event, 0 to 1; not a probability.
    """

    label: str
    start_s: float
    end_s: float
    peak_s: float
    score: float

    def ended_by(self, duration_s: float) -> Event:
        """The same within a sound of that length: the last frame may reach beyond it."""
        return replace(self, end_s=min(self.end_s, duration_s), peak_s=min(self.peak_s, duration_s))


@dataclass(frozen=True)
class Picture:
    """A small spectrogram and the scores of one recording, for its plot."""

    # shape (n_columns, n_rows): power above ``FLOOR_DB`` of ``plots.spectrogram`` in steps of
    # ``DB_PER_LEVEL``, one row per ``bin_hz`` from 0 Hz up
    levels_db: NDArray[np.uint8]
    column_s: float  # seconds per column
    bin_hz: float  # hertz per row
    scores: FloatArray  # shape (n_frames, n_labels): as the rules saw them (smoothed)
    frame_s: float  # seconds per score frame


@dataclass(frozen=True)
class Tags:
    """What a file's header says in words; empty where it says nothing."""

    # as libsndfile gives them, of any format
    comment: str = ""
    artist: str = ""
    # the chunks ``guan`` and ``bext`` of a WAV file
    guano: bytes = b""
    bwf: bytes = b""


@dataclass(frozen=True)
class Origin:
    """When, where and by what a recording was made, as far as anything says so; else empty.

    Attributes
    ----------
    start : datetime or None
        When it began; without a time zone where nothing tells it: then what the recorder's clock
        showed.
    site, device : str
        Where, and the recorder's serial number.
    latitude, longitude : float or None
        Of the site, degrees north and east.
    remark : str
        What the user should know about these, such as that header and name disagree.
    """

    start: datetime | None = None
    site: str = ""
    device: str = ""
    latitude: float | None = None
    longitude: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class FileResult:
    """The outcome of scanning one recording.

    Attributes
    ----------
    recording : Recording
        What was scanned.
    status : str
        ``ok``, ``truncated`` (scanned as far as it decodes) or ``failed`` (no counts).
    message : str
        What went wrong, empty when nothing did.
    duration_s : float
        Length that the file claims, seconds; 0 where unknown.
    scanned_s : float
        Seconds really decoded and scored.
    events : tuple of Event
        In order of start; empty is an answer.
    picture : Picture or None
        What the plot needs, where a plot is wanted.
    scores : array of float32, shape (n_frames, n_labels), or None
        Frame scores before smoothing, where they are to be kept.
    origin : Origin
        When, where and by what it was made; empty until it is placed by its name and tags.
    tags : Tags
        What its header says in words.
    sample_rate_hz, channels : int
        Of the file; 0 where it could not be opened.
    dead_s : tuple of (float, float)
        Start and end of the stretches of ``scanned_s`` that hold one constant value alone.
    """

    recording: Recording
    status: str
    message: str = ""
    duration_s: float = 0.0
    scanned_s: float = 0.0
    events: tuple[Event, ...] = ()
    picture: Picture | None = field(default=None, repr=False)
    scores: FloatArray | None = field(default=None, repr=False)
    origin: Origin = Origin()
    tags: Tags = Tags()
    sample_rate_hz: int = 0
    channels: int = 0
    dead_s: tuple[tuple[float, float], ...] = ()

    @property
    def remarks(self) -> str:
        """What went wrong, and what is odd about its origin, as one text."""
        return joined_notes(self.message, self.origin.remark)

    @property
    def effort_s(self) -> float:
        """Seconds really listened to: decoded, and not dead."""
        return max(0.0, self.scanned_s - sum(end - start for start, end in self.dead_s))

    def calls(self, label: str | None = None) -> int:
        """Events of one label, or of all."""
        return sum(1 for event in self.events if label is None or event.label == label)


def joined_notes(*notes: str) -> str:
    """Notes about a recording as one message; empty ones say nothing."""
    return "; ".join(note for note in notes if note)
