"""Layout of a recording's plot: strips, ticks, axes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from counter.plots.canvas import EMPTY, INK, Box, Canvas, Font, text_width

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
class PlotLayout:
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


def layout_for(duration_s: float) -> PlotLayout:
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
    return PlotLayout(float(strip_s), max(1, math.ceil(duration_s / strip_s - _SLACK)))


def round_step(span: float, n_steps: int) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... (or tenths) that cuts ``span`` in at most ``n_steps``."""
    power = 10.0 ** math.floor(math.log10(span / n_steps))
    return next(power * digit for digit in (1, 2, 5, 10) if span / (power * digit) <= n_steps)


_TICK = 6
_NAME_X = 22
_TEXT = Font(18)


def draw_template(layout: PlotLayout, freq_max_hz: float) -> Canvas:
    """Draw the axes of every strip; panels are grey, as where a recording holds nothing.

    Parameters
    ----------
    layout : PlotLayout
        Cut of the recording.
    freq_max_hz : float
        Upper end of the frequency axis, > 0.
    """
    canvas = Canvas.blank(layout.height, WIDTH)
    for strip in range(layout.n_strips):
        _frequency_axis(canvas, layout.sound(strip), freq_max_hz)
        _score_axis(canvas, layout.score(strip))
        _time_axis(canvas, layout, strip)
    name = f"time ({layout.time_unit()})"
    bottom = layout.height - 28
    canvas.text((PANEL_LEFT + PANEL_WIDTH // 2, bottom), name, _TEXT, anchor=0.5)
    return canvas


def _panel(canvas: Canvas, box: Box) -> None:
    canvas.fill(box, EMPTY)
    canvas.frame(Box(box.left - 1, box.top - 1, box.right + 1, box.bottom + 1), INK)


def _frequency_axis(canvas: Canvas, box: Box, freq_max_hz: float) -> None:
    _panel(canvas, box)
    scale, unit = (1000.0, "kHz") if freq_max_hz >= 2000 else (1.0, "Hz")
    step = round_step(freq_max_hz / scale, max(1, box.height // 40))
    for number in range(int(freq_max_hz / scale / step + 1e-6) + 1):
        height = round(number * step * scale / freq_max_hz * (box.height - 1))
        _left_tick(canvas, box.bottom - 1 - height, f"{number * step:g}")
    name = f"frequency ({unit})"
    fits = text_width(name, _TEXT) <= box.height
    centre = (_NAME_X, (box.top + box.bottom) // 2)
    canvas.text_upwards(centre, name if fits else unit, _TEXT)


def _score_axis(canvas: Canvas, box: Box) -> None:
    _panel(canvas, box)
    _left_tick(canvas, box.top, "1")
    _left_tick(canvas, box.bottom - 1, "0")
    name = Font(18 if box.height > 50 else 15)
    canvas.text_upwards((_NAME_X, (box.top + box.bottom) // 2), "score", name)


def _left_tick(canvas: Canvas, y: int, text: str) -> None:
    canvas.fill(Box(PANEL_LEFT - 1 - _TICK, y, PANEL_LEFT - 1, y + 1), INK)
    canvas.text((PANEL_LEFT - _TICK - 5, y - 11), text, _TEXT, anchor=1.0)


def _time_axis(canvas: Canvas, layout: PlotLayout, strip: int) -> None:
    bottom = layout.score(strip).bottom
    for time_s in layout.ticks_s(strip):
        x = layout.pixel(strip, time_s)
        canvas.fill(Box(x, bottom + 1, x + 1, bottom + 1 + _TICK), INK)
        canvas.text((x, bottom + _TICK + 2), layout.time_text(time_s), _TEXT, anchor=0.5)
