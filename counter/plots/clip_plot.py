"""Clips that a person is to check: cut out of recordings, and plotted without a model's opinion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from counter.audio.clips import read_spans
from counter.audio.stream import probe
from counter.errors import AudioError, CallcountError
from counter.plots.canvas import BLACK, INK, WARNING, Box, Canvas, Font, fitted
from counter.plots.layout import round_step
from counter.plots.spectrogram import Contrast, draw_scale, fitted_contrast
from counter.records import FloatArray

# Passes names on, perhaps while a terminal shows how many are done.
Progress = Callable[[Iterable[str]], Iterable[str]]
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


TIMES_OF_RECORDING, TIMES_OF_CLIP = "recording", "clip"


@dataclass(frozen=True)
class ClipToCheck:
    """A clip to be cut, and the stretch of it that a person is asked about.

    Attributes
    ----------
    recording : str
        Name of the recording that it is cut out of.
    start_s, end_s : float
        The clip, seconds from the recording's start; what lies outside the recording is left out.
    asked_start_s, asked_end_s : float
        The stretch asked about, seconds from the recording's start.
    clip, picture : str
        Names of the files, below the folder.
    title, question : str
        Written above the picture.
    times_of : str
        What the times of the picture are counted in: ``recording`` or ``clip``.
    freq_max_hz : float
        Upper end of the picture, > 0; half the recording's rate where that is less.
    """

    recording: str
    start_s: float
    end_s: float
    asked_start_s: float
    asked_end_s: float
    clip: str
    picture: str
    title: str
    question: str
    times_of: str
    freq_max_hz: float


def cut_clips(
    folder: Path,
    cuts: Sequence[ClipToCheck],
    files: Mapping[str, str | Path],
    *,
    progress: Progress = iter,
) -> None:
    """Cut clips (FLAC, mono, at the recording's own rate) and draw them, recording by recording.

    Parameters
    ----------
    folder : Path
        Where their files go; folders below it are made.
    cuts : sequence of ClipToCheck
        In any order.
    files : mapping of str to str or Path
        The file of each recording.
    progress : callable
        Passes recordings on while a terminal shows how many are done.

    Raises
    ------
    CallcountError
        A recording cannot be read, or ends before a clip.
    """
    for name in {Path(name).parent for cut in cuts for name in (cut.clip, cut.picture)}:
        (folder / name).mkdir(parents=True, exist_ok=True)
    by_recording: dict[str, list[ClipToCheck]] = {}
    for cut in cuts:
        by_recording.setdefault(cut.recording, []).append(cut)
    for recording in progress(by_recording):
        try:
            _cut_recording(folder, by_recording[recording], files[recording])
        except (AudioError, sf.LibsndfileError) as error:
            raise CallcountError(
                f"cannot cut clips out of {files[recording]}: {error}.",
                "Bring back the file that was scanned.",
            ) from error


def _cut_recording(folder: Path, cuts: Sequence[ClipToCheck], file: str | Path) -> None:
    rate_hz = probe(file).sample_rate_hz
    cuts = sorted(cuts, key=lambda cut: cut.start_s)
    spans = [(max(0, round(cut.start_s * rate_hz)), round(cut.end_s * rate_hz)) for cut in cuts]
    for cut, span, clip in zip(cuts, spans, read_spans(file, rate_hz, spans), strict=True):
        if not len(clip):
            raise AudioError(f"it ends before {cut.asked_start_s:.1f} s")
        sf.write(folder / cut.clip, clip, rate_hz, format="FLAC", subtype="PCM_24")
        zero_s = 0.0 if cut.times_of == TIMES_OF_RECORDING else span[0] / rate_hz
        facts = ClipFacts(
            title=cut.title,
            question=cut.question,
            sample_rate_hz=rate_hz,
            clip_start_s=span[0] / rate_hz - zero_s,
            start_s=cut.asked_start_s - zero_s,
            end_s=min(cut.asked_end_s, (span[0] + len(clip)) / rate_hz) - zero_s,
            times_of=cut.times_of,
            freq_max_hz=min(rate_hz / 2, cut.freq_max_hz),
        )
        draw_clip(clip, facts, folder / cut.picture)
