"""What the plots of recordings of one layout have in common: axes, ticks and their names."""

from __future__ import annotations

from counter.output.canvas import Box, Canvas, Font, text_width
from counter.output.layout import PANEL_LEFT, PANEL_WIDTH, WIDTH, Layout, round_step
from counter.output.style import EMPTY, INK

_TICK = 6
_NAME_X = 22
_TEXT = Font(18)


def draw_template(layout: Layout, freq_max_hz: float) -> Canvas:
    """Draw the axes of every strip; panels are grey, as where a recording holds nothing.

    Parameters
    ----------
    layout : Layout
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


def _time_axis(canvas: Canvas, layout: Layout, strip: int) -> None:
    bottom = layout.score(strip).bottom
    for time_s in layout.ticks_s(strip):
        x = layout.pixel(strip, time_s)
        canvas.fill(Box(x, bottom + 1, x + 1, bottom + 1 + _TICK), INK)
        canvas.text((x, bottom + _TICK + 2), layout.time_text(time_s), _TEXT, anchor=0.5)
