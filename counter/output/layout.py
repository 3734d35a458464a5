"""Where things go in the plot of a recording: strips, ticks and pixels; nothing is drawn here.

Strip lengths come from a short list, so that recordings of nearly one length share a layout and
what is drawn once for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from counter.output.canvas import Box

WIDTH = 1400
HEADER = 84
PANEL_LEFT = 96
PANEL_WIDTH = 1288
_STRIP_WIDTH = 1275  # a strip's own time; the rest of the panel is for a recording's last instants
_SLACK = (PANEL_WIDTH - _STRIP_WIDTH) / _STRIP_WIDTH

_ONE_STRIP_S = 180.0
_FEW_STRIPS = 6
_LONG_STRIP_S = 3600.0
_MANY_STRIPS = 24
_STRIPS_S = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 150, 180, 240, 300, 450, 600, 900)
_LONG_STRIPS_S = (1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400, 21600, 28800, 43200, 86400)
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)

_LANE = 26
_GAP = 20
_TICK_ROW = 44
_FOOTER = 22


@dataclass(frozen=True)
class Layout:
    """How a recording is cut into strips.

    Attributes
    ----------
    strip_s : float
        Seconds from the start of one strip to that of the next.
    n_strips : int
        At least 1.
    """

    strip_s: float
    n_strips: int

    @property
    def pixel_s(self) -> float:
        """Seconds per pixel."""
        return self.strip_s / _STRIP_WIDTH

    @property
    def height(self) -> int:
        """Pixels of the whole picture, downwards."""
        return HEADER + self.n_strips * self._block + _FOOTER

    @property
    def is_dense(self) -> bool:
        """Whether there are so many strips that each is drawn low."""
        return self.n_strips > _FEW_STRIPS

    @property
    def _sound_height(self) -> int:
        return 110 if self.is_dense else 200

    @property
    def _score_height(self) -> int:
        return 44 if self.is_dense else 64

    @property
    def _block(self) -> int:
        return _LANE + self._sound_height + _GAP + self._score_height + _TICK_ROW

    def lane(self, strip: int) -> Box:
        """Where the numbers of the events stand."""
        top = HEADER + strip * self._block
        return Box(PANEL_LEFT, top, PANEL_LEFT + PANEL_WIDTH, top + _LANE)

    def sound(self, strip: int) -> Box:
        """Where the spectrogram stands."""
        top = self.lane(strip).bottom
        return Box(PANEL_LEFT, top, PANEL_LEFT + PANEL_WIDTH, top + self._sound_height)

    def score(self, strip: int) -> Box:
        """Where the score stands."""
        top = self.sound(strip).bottom + _GAP
        return Box(PANEL_LEFT, top, PANEL_LEFT + PANEL_WIDTH, top + self._score_height)

    def start_s(self, strip: int) -> float:
        """Start of a strip, seconds from the recording's start."""
        return strip * self.strip_s

    def n_pixels(self, strip: int, end_s: float) -> int:
        """Pixels of a strip that hold sound of a recording that ends at ``end_s``."""
        limit = PANEL_WIDTH if strip == self.n_strips - 1 else _STRIP_WIDTH
        pixels = math.ceil((end_s - self.start_s(strip)) / self.pixel_s - 1e-6)
        return min(max(pixels, 0), limit)

    def strips(self, start_s: float, end_s: float) -> range:
        """The strips that a span of time is on, at least one."""
        first = min(math.floor(start_s / self.strip_s), self.n_strips - 1)
        last = min(math.ceil(end_s / self.strip_s) - 1, self.n_strips - 1)
        return range(first, max(first, last) + 1)

    def pixel(self, strip: int, time_s: float) -> int:
        """The column of the picture that holds a time; beyond the panel where the strip ends."""
        return PANEL_LEFT + math.floor((time_s - self.start_s(strip)) / self.pixel_s + 1e-6)

    def ticks_s(self, strip: int) -> list[float]:
        """Times to write under a strip, its start and end included where they are round."""
        step = next((s for s in _TICKS_S if self.strip_s / s <= 10), self.strip_s / 6)
        first = math.ceil(self.start_s(strip) / step - 1e-6)
        last = math.floor(self.start_s(strip + 1) / step + 1e-6)
        return [number * step for number in range(first, last + 1)]

    def time_unit(self) -> str:
        """What the times are written in."""
        span_s = self.strip_s * self.n_strips
        return "s" if span_s <= 300 else "min:s" if span_s < 3600 else "h:min"

    def time_text(self, time_s: float) -> str:
        """A time as ``time_unit`` says."""
        unit = self.time_unit()
        if unit == "s":
            return f"{time_s:g}" if self.strip_s >= 10 else f"{time_s:.1f}"
        high, low = divmod(round(time_s), 60)
        if unit == "min:s":
            return f"{high}:{low:02d}"
        return f"{high // 60}:{high % 60:02d}"


def layout_for(duration_s: float) -> Layout:
    """Cut a recording into strips.

    One strip up to 3 min, up to 6 strips up to 6 h, then strips of 1 h up to 24, then longer ones.

    Parameters
    ----------
    duration_s : float
        0 or more; 0 gives one empty strip.
    """
    wanted = min(max(math.ceil(duration_s / _ONE_STRIP_S - _SLACK), 1), _FEW_STRIPS)
    if duration_s > _FEW_STRIPS * _LONG_STRIP_S:
        wanted = min(max(math.ceil(duration_s / _LONG_STRIP_S - _SLACK), wanted), _MANY_STRIPS)
    lengths = _STRIPS_S + _LONG_STRIPS_S
    days = math.ceil(duration_s / _MANY_STRIPS / 86400) * 86400
    strip_s = next((s for s in lengths if s * (wanted + _SLACK) >= duration_s), days)
    return Layout(float(strip_s), max(1, math.ceil(duration_s / strip_s - _SLACK)))


def round_step(span: float, n_steps: int) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... (or tenths) that cuts ``span`` in at most ``n_steps``."""
    power = 10.0 ** math.floor(math.log10(span / n_steps))
    return next(power * digit for digit in (1, 2, 5, 10) if span / (power * digit) <= n_steps)
