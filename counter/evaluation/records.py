"""What an evaluation works on: intervals of many recordings, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
TimeArray = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Events or true calls of many recordings; the arrays are of one length, which may be 0.

    Attributes
    ----------
    group : array of int64
        What each belongs to: ``recording * n_labels + label``. Only those of one group can pair.
    start_s, end_s : array of float64
        Seconds from the recording's start, ``0 <= start_s <= end_s``.
    """

    group: IntArray
    start_s: TimeArray
    end_s: TimeArray

    def __len__(self) -> int:
        return len(self.group)

    def of_groups(self, first: int, stop: int) -> Intervals:
        """Those of the groups ``[first, stop)``, in their order."""
        chosen = (self.group >= first) & (self.group < stop)
        return Intervals(self.group[chosen], self.start_s[chosen], self.end_s[chosen])


@dataclass(frozen=True)
class Scene:
    """Recordings with what was found in them and what is truly there.

    Attributes
    ----------
    recordings : tuple of str
        Names; a recording without events or calls counts as well.
    labels : tuple of str
        At least one.
    events, calls : Intervals
        What was found, and the truth.
    """

    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    events: Intervals
    calls: Intervals


@dataclass(frozen=True)
class Criterion:
    """When an event and a true call may be paired.

    Attributes
    ----------
    iou : float
        Least intersection over union, above 0 and at most 1.
    collar_s : float or None
        Instead: the starts differ by at most this, and the ends by at most this or a fifth of
        the true call's length, whichever is more, as DCASE's event-based scores with an onset and
        an offset have it (Mesaros, Heittola and Virtanen, Metrics for polyphonic sound event
        detection, 2016; the fifth as in DCASE task 4 and mir_eval.transcription). A microsecond
        is added against rounding, so that 2.2 is within 1 s of 1.2.
    """

    iou: float = 0.3
    collar_s: float | None = None

    @property
    def text(self) -> str:
        """For people: ``IoU of 0.3 or more``."""
        if self.collar_s is not None:
            return f"start and end within {self.collar_s:g} s"
        return f"IoU of {self.iou:g} or more"
