"""The records that pass between the rooms; frozen, units in names."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

OK = "ok"
TRUNCATED = "truncated"
FAILED = "failed"


@dataclass(frozen=True)
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
    """Merged detections of one label: one call.

    Attributes
    ----------
    label : str
        What was heard.
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


@dataclass(frozen=True)
class Picture:
    """A small spectrogram and the scores of one recording, for its plot.

    Attributes
    ----------
    levels_db : array of uint8, shape (n_columns, n_rows)
        Power above ``picture.FLOOR_DB`` in steps of ``DB_PER_LEVEL``, one row per ``bin_hz``
        from 0 Hz up.
    column_s : float
        Seconds per column.
    bin_hz : float
        Hertz per row.
    scores : array of float32, shape (n_frames, n_labels)
        Scores as the rules saw them (smoothed).
    frame_s : float
        Seconds per score frame.
    """

    levels_db: NDArray[np.uint8]
    column_s: float
    bin_hz: float
    scores: FloatArray
    frame_s: float


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
    """

    recording: Recording
    status: str
    message: str = ""
    duration_s: float = 0.0
    scanned_s: float = 0.0
    events: tuple[Event, ...] = ()
    picture: Picture | None = field(default=None, repr=False)
    scores: FloatArray | None = field(default=None, repr=False)

    def calls(self, label: str | None = None) -> int:
        """Events of one label, or of all."""
        return sum(1 for event in self.events if label is None or event.label == label)
