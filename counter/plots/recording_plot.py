"""Plot of a recording: spectrogram with its events, and the score under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from counter.plots.canvas import (
    BLACK,
    SCORE,
    SCORE_FILL,
    WHITE,
    Box,
    Canvas,
    Font,
    fitted,
    label_ink,
    text_width,
)
from counter.plots.layout import (
    PANEL_LEFT,
    PANEL_WIDTH,
    WIDTH,
    PlotLayout,
    draw_template,
    layout_for,
)
from counter.plots.spectrogram import DB_PER_LEVEL, FLOOR_DB, draw_scale, fitted_contrast
from counter.records import TRUNCATED, Event, FileResult, FloatArray, Picture

_TITLE = Font(26, bold=True)
_TEXT = Font(18)
_NUMBER = Font(16)
_SWATCH = 14
_LEAST_EVENT_WIDTH = 4
_SCALE_WIDTH = 330

Bytes = NDArray[np.uint8]
Values = TypeVar("Values", Bytes, FloatArray)


@dataclass(frozen=True)
class PlotSettings:
    """What the plots of one scan have in common.

    Attributes
    ----------
    band_hz : mapping of label to (low_hz, high_hz)
        Band of each label, in the order of the score's columns.
    threshold : float
        Score that starts an event, 0 to 1.
    freq_max_hz : float
        Upper end of the frequency axis, > 0.
    """

    band_hz: Mapping[str, tuple[float, float]]
    threshold: float
    freq_max_hz: float


@dataclass(frozen=True)
class RecordingSheet:
    """A canvas whose axes are drawn, and what they mean; the canvas is drawn into in place."""

    canvas: Canvas
    layout: PlotLayout
    settings: PlotSettings

    def draw_header(self, result: FileResult) -> None:
        """Write name, count and effort, and what the colours are."""
        calls = counted(result.calls(), "call")
        right = PANEL_LEFT + PANEL_WIDTH
        self.canvas.text((right, 8), calls, _TITLE, anchor=1.0)
        room = PANEL_WIDTH - text_width(calls, _TITLE) - 40
        self.canvas.text((PANEL_LEFT, 8), fitted(result.recording.name, _TITLE, room), _TITLE)
        effort = f"{_span(result.scanned_s)} scanned"
        if result.status == TRUNCATED:
            effort += f" of {_span(result.duration_s)}, {TRUNCATED}"
        facts = f"{effort}; dashed: threshold {self.settings.threshold:.2f}"
        self.canvas.text((PANEL_LEFT, 46), facts, _TEXT)
        counts = {label: result.calls(label) for label in self.settings.band_hz}
        left = PANEL_LEFT + text_width(facts, _TEXT) + 40
        draw_legend(self.canvas, (left, 46), counts, right=right - _SCALE_WIDTH)

    def draw_sound(self, picture: Picture, end_s: float) -> None:
        """Draw the spectrogram, its contrast fitted to the recording, and what its shades are."""
        if not picture.levels_db.size:
            return
        contrast = fitted_contrast(picture.levels_db, _decibels)
        scale = (PANEL_LEFT + PANEL_WIDTH, 46)
        left = draw_scale(self.canvas, scale, contrast.ends, unit="dB")
        self.canvas.text((left - 8, 46), "level", _TEXT, anchor=1.0)
        shades = contrast.shades(_decibels(np.arange(256)))
        end_s = min(end_s, len(picture.levels_db) * picture.column_s)
        reach = picture.levels_db.shape[1] * picture.bin_hz / self.settings.freq_max_hz
        for strip in range(self.layout.n_strips):
            edges_s = self._edges_s(strip, end_s)
            if len(edges_s) > 1:
                levels = pixel_maxima(picture.levels_db, picture.column_s, edges_s)
                box = self.layout.sound(strip)
                top = box.bottom - max(1, round(min(reach, 1.0) * box.height))
                target = Box(box.left, top, box.left + len(levels), box.bottom)
                self.canvas.view(target)[:] = _upright(shades[levels], reach, target.height)

    def draw_score(self, picture: Picture, end_s: float) -> None:
        """Draw the score of each label over time, and the threshold."""
        end_s = min(end_s, len(picture.scores) * picture.frame_s)
        for strip in range(self.layout.n_strips):
            box = self.layout.score(strip)
            edges_s = self._edges_s(strip, end_s)
            if len(edges_s) > 1:
                self._curves(box, pixel_maxima(picture.scores, picture.frame_s, edges_s))
            y = box.bottom - 1 - round(self.settings.threshold * (box.height - 1))
            dashes = self.canvas.view(Box(box.left, y, box.right, y + 1))
            dashes[:, np.arange(dashes.shape[1]) % 12 < 7] = BLACK

    def draw_events(self, events: tuple[Event, ...]) -> None:
        """Frame each event in its label's band, with its number above, on each strip it is on."""
        labels = list(self.settings.band_hz)
        taken = [0] * self.layout.n_strips
        for number, event in enumerate(events, start=1):
            ink = label_ink(labels.index(event.label))
            for strip in self.layout.strips(event.start_s, event.end_s):
                box = self._event_box(strip, event)
                self.canvas.outline(box, ink)
                lane = self.layout.lane(strip)
                self.canvas.fill(Box(box.left, lane.bottom - 5, box.right, lane.bottom - 1), ink)
                left = (box.left + box.right - text_width(str(number), _NUMBER)) // 2
                if left > taken[strip]:
                    self.canvas.text((left, lane.top), str(number), _NUMBER)
                    taken[strip] = left + text_width(str(number), _NUMBER) + 3

    def _event_box(self, strip: int, event: Event) -> Box:
        panel = self.layout.sound(strip)
        left = max(self.layout.pixel(strip, event.start_s), panel.left)
        right = min(self.layout.pixel(strip, event.end_s) + 1, panel.right)
        left = min(left, panel.right - _LEAST_EVENT_WIDTH)
        low_hz, high_hz = self.settings.band_hz[event.label]
        scale = panel.height / self.settings.freq_max_hz
        top = max(panel.bottom - round(high_hz * scale), panel.top)
        bottom = panel.bottom - round(max(low_hz, 0) * scale)
        return Box(left, top, max(right, left + _LEAST_EVENT_WIDTH), max(bottom, top + 4))

    def _edges_s(self, strip: int, end_s: float) -> NDArray[np.float64]:
        n_pixels = self.layout.n_pixels(strip, end_s)
        places: NDArray[np.float64] = np.arange(n_pixels + 1, dtype=np.float64)
        return self.layout.start_s(strip) + places * self.layout.pixel_s

    def _curves(self, box: Box, scores: FloatArray) -> None:
        panel = self.canvas.view(Box(box.left, box.top, box.left + len(scores), box.bottom))
        panel[:] = WHITE
        rows = np.arange(box.height)[:, None]
        tops = np.rint((1 - np.clip(scores.T, 0, 1)) * (box.height - 2)).astype(np.int64)
        for label, top in enumerate(tops):
            before = np.concatenate([top[:1], top[:-1]])
            if len(tops) == 1:
                panel[rows > top] = SCORE_FILL
            line = (rows >= np.minimum(top, before)) & (rows <= np.maximum(top, before) + 1)
            panel[line] = SCORE if len(tops) == 1 else label_ink(label)


def counted(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def draw_legend(
    canvas: Canvas, place: tuple[int, int], counts: Mapping[str, int], *, right: int = WIDTH
) -> None:
    """Write labels with colour and count from ``(x, y)`` to ``right``, as many as have room."""
    x, y = place
    for number, (label, count) in enumerate(counts.items()):
        text = f"{label} {count}"
        if x + _SWATCH + 8 + text_width(text, _TEXT) > right:
            canvas.text((x, y), "\N{HORIZONTAL ELLIPSIS}", _TEXT)
            return
        canvas.fill(Box(x, y + 5, x + _SWATCH, y + 5 + _SWATCH), label_ink(number))
        canvas.text((x + _SWATCH + 8, y), text, _TEXT)
        x += _SWATCH + 8 + text_width(text, _TEXT) + 28


def _span(seconds: float) -> str:
    if seconds < 300:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"{hours}{minutes % 60} min {rest} s"


def pixel_maxima(values: Values, step_s: float, edges_s: NDArray[np.float64]) -> Values:
    """The highest of the values that start in each pixel, or the one that covers it.

    Parameters
    ----------
    values : array, shape (n_values, n)
        One row every ``step_s`` seconds from 0; at least one.
    step_s : float
        Seconds per row.
    edges_s : array of float, shape (n_pixels + 1,)
        Where pixels begin and end, rising; past the last row it is repeated.

    Returns
    -------
    array, shape (n_pixels, n)
    """
    last = len(values) - 1
    starts = np.minimum((edges_s[:-1] / step_s + 1e-6).astype(np.int64), last)
    stop = max(int(np.ceil(edges_s[-1] / step_s - 1e-6)), int(starts[-1]) + 1)
    return np.maximum.reduceat(values[:stop], starts, axis=0)


def _decibels(levels: NDArray[np.integer]) -> NDArray[np.float64]:
    return levels.astype(np.float64) * DB_PER_LEVEL + FLOOR_DB


def _upright(shades: Bytes, reach: float, height: int) -> Bytes:
    """Turn (columns, rows from 0 Hz up) into an image; rows past the axis (reach > 1) are cut."""
    from PIL import Image

    n_columns, n_rows = shades.shape
    image = Image.fromarray(np.ascontiguousarray(shades[:, ::-1].T))
    seen = (0, n_rows - n_rows / max(reach, 1.0), n_columns, n_rows)
    return np.asarray(image.resize((n_columns, height), Image.Resampling.BILINEAR, box=seen))


__all__ = ["PlotSettings", "RecordingPlotter"]


class RecordingPlotter:
    """Draws recordings; one for a scan, shared by its threads.

    What recordings of one layout have in common is drawn once and kept.

    Parameters
    ----------
    settings : PlotSettings
        Labels and their bands, threshold, frequency axis.
    """

    def __init__(self, settings: PlotSettings) -> None:
        self._settings = settings
        self._template = lru_cache(maxsize=4)(self._draw_template)

    def draw(self, result: FileResult, path: Path) -> None:
        """Draw one recording as PNG, 1400 pixels wide; safe to call from several threads.

        Any ``column_s``, ``bin_hz`` and ``frame_s`` of the picture will do: columns or frames
        that share a pixel give their highest, and one that is wider than a pixel is repeated.
        More columns than some 1300 a strip (see ``layout_for``) are never seen.

        Raises
        ------
        ValueError
            The result has no picture.
        OutputError
            The file cannot be written.
        """
        picture = result.picture
        if picture is None:
            raise ValueError(f"{result.recording.name} has no picture to draw")
        layout = layout_for(result.scanned_s)
        sheet = RecordingSheet(Canvas(self._template(layout).copy()), layout, self._settings)
        sheet.draw_header(result)
        sheet.draw_sound(picture, result.scanned_s)
        sheet.draw_score(picture, result.scanned_s)
        sheet.draw_events(result.events)
        sheet.canvas.save(path)

    def _draw_template(self, layout: PlotLayout) -> NDArray[np.uint8]:
        return draw_template(layout, self._settings.freq_max_hz).pixels
