"""The spectrogram of a clip that a person is to check, without the model's opinion in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.output.canvas import Box, Canvas, Font, fitted
from counter.output.layout import round_step
from counter.output.shades import Contrast, draw_scale, fitted_contrast
from counter.output.style import BLACK, INK, WARNING
from counter.records import FloatArray

_WIDTH, _HEIGHT = 1400, 480
_PANEL = Box(90, 66, 1380, 410)
_TITLE, _TEXT = Font(22, bold=True), Font(18)
_TICK = 6


@dataclass(frozen=True)
class ClipFacts:
    """What a clip is.

    Attributes
    ----------
    title, question : str
        Written above it: what it is, and what the person is asked.
    sample_rate_hz : int
        Samples per second.
    clip_start_s : float
        The time at which the clip begins, seconds.
    start_s, end_s : float
        The stretch that is asked about, seconds; lines are drawn there.
    times_of : str
        What these times are counted in: ``recording`` or ``clip``.
    freq_max_hz : float
        Upper end of the frequency axis, > 0.
    """

    title: str
    question: str
    sample_rate_hz: int
    clip_start_s: float
    start_s: float
    end_s: float
    times_of: str
    freq_max_hz: float


@dataclass(frozen=True)
class SpectrogramView:
    """What of a clip's spectrogram is shown, and how large.

    Attributes
    ----------
    sample_rate_hz : int
        Samples per second.
    freq_max_hz : float
        Upper end of the frequency axis, > 0.
    size : (int, int)
        Width and height, pixels.
    fft_s : float
        Length of a spectrum, seconds.
    """

    sample_rate_hz: int
    freq_max_hz: float
    size: tuple[int, int]
    fft_s: float = 0.032


def draw_clip(samples: FloatArray, facts: ClipFacts, path: Path) -> None:
    """Draw a clip as PNG, 1400 pixels wide: time in seconds, frequency in kHz.

    Parameters
    ----------
    samples : array of float32, shape (n_samples,)
        The clip, mono; at least one sample.
    facts : ClipFacts
        What it is.
    path : Path
        File to write.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    canvas = Canvas.blank(_HEIGHT, _WIDTH)
    view = SpectrogramView(facts.sample_rate_hz, facts.freq_max_hz, (_PANEL.width, _PANEL.height))
    canvas.view(_PANEL)[:], contrast = spectrogram_shades(samples, view)
    canvas.frame(_PANEL, BLACK)
    canvas.text((_PANEL.left, 6), fitted(facts.title, _TITLE, _PANEL.width), _TITLE)
    scale = draw_scale(canvas, (_PANEL.right, 34), contrast.ends, unit="dB")
    room = scale - 20 - _PANEL.left
    canvas.text((_PANEL.left, 36), fitted(facts.question, _TEXT, room), _TEXT)
    clip_s = len(samples) / facts.sample_rate_hz
    _draw_times(canvas, facts, clip_s)
    _draw_frequencies(canvas, facts.freq_max_hz)
    for edge_s in (facts.start_s, facts.end_s):
        x = _x(edge_s, facts, clip_s)
        canvas.fill(Box(x - 1, _PANEL.top - 8, x + 2, _PANEL.bottom), WARNING)
    canvas.save(path)


def _x(time_s: float, facts: ClipFacts, clip_s: float) -> int:
    return _PANEL.left + round((time_s - facts.clip_start_s) / clip_s * (_PANEL.width - 1))


def _draw_times(canvas: Canvas, facts: ClipFacts, clip_s: float) -> None:
    step = round_step(clip_s, 10)
    first = int(np.ceil(facts.clip_start_s / step - 1e-9))
    last = int(np.floor((facts.clip_start_s + clip_s) / step + 1e-9))
    for number in range(first, last + 1):
        x = _x(number * step, facts, clip_s)
        canvas.fill(Box(x, _PANEL.bottom, x + 2, _PANEL.bottom + _TICK), INK)
        canvas.text((x, _PANEL.bottom + 10), f"{number * step:.10g}", _TEXT, anchor=0.5)
    middle = (_PANEL.left + _PANEL.right) // 2
    canvas.text(
        (middle, _PANEL.bottom + 38), f"time in the {facts.times_of} (s)", _TEXT, anchor=0.5
    )


def _draw_frequencies(canvas: Canvas, freq_max_hz: float) -> None:
    step = round_step(freq_max_hz, 6)
    for number in range(int(freq_max_hz / step + 1e-9) + 1):
        y = _PANEL.bottom - 1 - round(number * step / freq_max_hz * (_PANEL.height - 1))
        canvas.fill(Box(_PANEL.left - _TICK, y, _PANEL.left, y + 2), INK)
        text = f"{number * step / 1000:.10g}"
        canvas.text((_PANEL.left - _TICK - 4, y - 11), text, _TEXT, anchor=1.0)
    canvas.text_upwards((24, (_PANEL.top + _PANEL.bottom) // 2), "frequency (kHz)", _TEXT)


def spectrogram_shades(
    samples: FloatArray, view: SpectrogramView
) -> tuple[NDArray[np.uint8], Contrast]:
    """Shades of ``style.palette`` for a clip's spectrogram, its contrast fitted to the clip.

    Parameters
    ----------
    samples : array of float32, shape (n_samples,)
        The clip, mono; at least one sample.
    view : SpectrogramView
        What is shown.

    Returns
    -------
    shades : array of uint8, shape (height, width)
        0 to ``style.N_SHADES - 1``, the highest frequency in the first row.
    contrast : Contrast
        The levels that the darkest and the brightest shade stand for.
    """
    from PIL import Image

    levels_db = _levels_db(samples, view)
    contrast = fitted_contrast(levels_db)
    image = Image.fromarray(np.ascontiguousarray(contrast.shades(levels_db)[::-1]))
    return np.asarray(image.resize(view.size, Image.Resampling.BILINEAR)), contrast


def _levels_db(samples: FloatArray, view: SpectrogramView) -> NDArray[np.float64]:
    """Levels, shape (n_bins, n_columns), from 0 Hz to the axis's end; a full sine is 0 dB."""
    n_fft = max(64, 2 * round(view.fft_s * view.sample_rate_hz / 2))
    padded = np.pad(samples, (n_fft // 2, n_fft // 2))
    starts = np.linspace(0, len(padded) - n_fft, view.size[0]).astype(np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[starts]
    window = np.hanning(n_fft + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * (2 / window.sum() * window))) ** 2
    levels_db = 10 * np.log10(power.T + 1e-12)
    bin_hz = view.sample_rate_hz / n_fft
    n_bins = max(2, round(view.freq_max_hz / bin_hz) + 1)
    missing = max(0, n_bins - len(levels_db))
    return np.pad(levels_db[:n_bins], ((0, missing), (0, 0)), constant_values=levels_db.min())
