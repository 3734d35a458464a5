"""One picture per recording: the spectrogram with its events, and the score under it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.output.canvas import Canvas
from counter.output.layout import Layout, layout_for
from counter.output.sheet import PlotSettings, Sheet
from counter.output.template import draw_template
from counter.records import FileResult

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
        sheet = Sheet(Canvas(self._template(layout).copy()), layout, self._settings)
        sheet.draw_header(result)
        sheet.draw_sound(picture, result.scanned_s)
        sheet.draw_score(picture, result.scanned_s)
        sheet.draw_events(result.events)
        sheet.canvas.save(path)

    def _draw_template(self, layout: Layout) -> NDArray[np.uint8]:
        return draw_template(layout, self._settings.freq_max_hz).pixels
