"""Pictures and sounds of events: a small spectrogram and compressed sound of each."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from PIL import Image

from counter.audio.clips import seek_spans
from counter.audio.stream import probe
from counter.errors import AudioError
from counter.plots.canvas import palette
from counter.plots.clip_plot import SpectrogramView, spectrogram_shades
from counter.plots.spectrogram import Contrast
from counter.records import Event, FloatArray
from counter.timebase import Timebase

# Every browser plays MP3 and shows WebP; MP3 takes these rates. (Ogg Vorbis takes 1.4 times as much
# at equal loudness of the noise, and older Safaris play neither it nor Opus.)
_RATES_HZ = (16_000, 24_000, 32_000, 48_000)
_MP3 = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE"}
_MP3_LEVEL = 0.6  # of libsndfile: 0 best, 1 smallest; about 30 kbit/s of forest at 16 kHz
_WEBP_QUALITY = 72
# What rises above this is not heard; it is slowed down so often, as bat detectors do.
_AUDIBLE_HZ = 20_000
_SLOWED = 10
_FFT_S = 0.032
_PEAK = 0.9


@dataclass(frozen=True)
class MediaStyle:
    """How events are drawn.

    Attributes
    ----------
    size : (int, int)
        Width and height of the picture, pixels.
    reach : float
        Upper end of the picture, as a multiple of the band's; no sound reaches further.
    effort : int
        Put into small files, 0 (quick) to 6.
    """

    size: tuple[int, int]
    reach: float
    effort: int

    def view(self, one: Wanted, own_rate_hz: int) -> SpectrogramView:
        """What is drawn of an event; ``own_rate_hz`` is the recording's."""
        freq_max_hz = min(self.reach * one.high_hz, one.rate_hz / 2, own_rate_hz / 2)
        return SpectrogramView(one.rate_hz, freq_max_hz, self.size, _FFT_S / one.slowed)


@dataclass(frozen=True)
class Wanted:
    """An event to show, and the band that it was listened for in.

    Attributes
    ----------
    row : int
        How it is known.
    event : Event
        What it is.
    low_hz, high_hz : float
        The band.
    margin_s, longest_s : float
        What is cut on either side, and at most.
    """

    row: int
    event: Event
    low_hz: float
    high_hz: float
    margin_s: float = 1.0
    longest_s: float = 12.0

    @property
    def slowed(self) -> int:
        """How many times slower it is played than it was."""
        return _SLOWED if self.high_hz > _AUDIBLE_HZ else 1

    @property
    def rate_hz(self) -> int:
        """Rate that it is read at: the lowest that holds its band with some room."""
        needed_hz = 2.1 * self.high_hz / self.slowed
        rates_hz = (rate for rate in _RATES_HZ if rate >= needed_hz)
        return next(rates_hz, _RATES_HZ[-1]) * self.slowed

    def span_s(self) -> tuple[float, float]:
        """What is cut: the event and a little around it; of a long one what is around its peak."""
        margin_s, longest_s = self.margin_s / self.slowed, self.longest_s / self.slowed
        start_s, end_s = self.event.start_s - margin_s, self.event.end_s + margin_s
        if end_s - start_s > longest_s:
            start_s = max(start_s, min(self.event.peak_s - longest_s / 2, end_s - longest_s))
            end_s = start_s + longest_s
        return max(0.0, start_s), end_s


@dataclass(frozen=True)
class Cutting:
    """An event as it is shown.

    Attributes
    ----------
    picture, sound : bytes
        WebP and MP3.
    start_s, end_s : float
        What was cut, seconds from the recording's start.
    freq_max_hz : float
        Upper end of the picture; the lower is 0.
    contrast : Contrast
        Levels of its darkest and of its brightest shade.
    slowed : int
        How many times slower than real time the sound plays.
    """

    picture: bytes
    sound: bytes
    start_s: float
    end_s: float
    freq_max_hz: float
    contrast: Contrast
    slowed: int


Found = dict[int, Cutting | str]


def cut_events(
    wanted: Mapping[str, Sequence[Wanted]],
    files: Mapping[str, object],
    look: MediaStyle,
    *,
    n_threads: int,
) -> Iterator[Found]:
    """Cut events, recording by recording; the order is that in which recordings are done.

    Parameters
    ----------
    wanted : mapping of str to sequence of Wanted
        Events of each recording.
    files : mapping of str to path or URL
        Where each recording is; those that are gone are missing.
    look : MediaStyle
        How they are drawn.
    n_threads : int
        Recordings read at a time.

    Yields
    ------
    dict
        Of one recording: each event's cutting, or in words why there is none, by row.
    """

    def all_of(item: tuple[str, Sequence[Wanted]]) -> Found:
        one_by_one = cut_recording(files.get(item[0]), item[1], look)
        return {row: found for some in one_by_one for row, found in some.items()}

    with ThreadPoolExecutor(n_threads, thread_name_prefix="cut") as pool:
        yield from pool.map(all_of, wanted.items())


def cut_recording(
    file: object | None, wanted: Sequence[Wanted], look: MediaStyle
) -> Iterator[Found]:
    """Cut events of one recording, each as soon as it is read.

    Parameters
    ----------
    file : path or URL, or None
        Where the recording is; None where it is gone.
    wanted : sequence of Wanted
        Its events.
    look : MediaStyle
        How they are drawn.

    Yields
    ------
    dict
        Some of them: the cutting, or in words why there is none, by row.
    """
    if file is None:
        yield dict.fromkeys((one.row for one in wanted), "The recording is not there.")
        return
    for rate_hz in sorted({one.rate_hz for one in wanted}):
        of_rate = sorted((one for one in wanted if one.rate_hz == rate_hz), key=_begin_s)
        yield from _cut_at(str(file), rate_hz, of_rate, look)


def _begin_s(one: Wanted) -> float:
    return one.span_s()[0]


def _cut_at(file: str, rate_hz: int, wanted: Sequence[Wanted], look: MediaStyle) -> Iterator[Found]:
    samples = Timebase(rate_hz, 1).samples
    spans = [(samples(begin_s), samples(end_s)) for begin_s, end_s in map(Wanted.span_s, wanted)]
    n_done = 0
    try:
        own_rate_hz = probe(file).sample_rate_hz
        clips = seek_spans(file, rate_hz, spans)
        for one, (first, _), clip in zip(wanted, spans, clips, strict=True):
            view = look.view(one, own_rate_hz)
            ends = "The recording ends before."
            yield {one.row: _cutting(one, first, clip, (view, look)) if len(clip) else ends}
            n_done += 1
    except (AudioError, sf.LibsndfileError, OSError) as error:
        why = f"The recording cannot be read: {' '.join(str(error).split())}"
        yield dict.fromkeys((one.row for one in wanted[n_done:]), why)


def _cutting(
    one: Wanted, first: int, clip: FloatArray, drawn: tuple[SpectrogramView, MediaStyle]
) -> Cutting:
    view, look = drawn
    rate_hz = one.rate_hz
    shades, contrast = spectrogram_shades(clip, view)
    return Cutting(
        picture=_webp(shades, look.effort),
        sound=_mp3(clip, rate_hz // one.slowed),
        start_s=first / rate_hz,
        end_s=(first + len(clip)) / rate_hz,
        freq_max_hz=view.freq_max_hz,
        contrast=contrast,
        slowed=one.slowed,
    )


def _webp(shades: NDArray[np.uint8], effort: int) -> bytes:
    image = Image.fromarray(palette()[shades])
    data = io.BytesIO()
    image.save(data, "WEBP", quality=_WEBP_QUALITY, method=effort)
    return data.getvalue()


def _mp3(clip: FloatArray, rate_hz: int) -> bytes:
    """The clip at an even loudness: a faint call is to be heard as well."""
    data = io.BytesIO()
    loudest = float(abs(clip).max())
    sf.write(
        data, clip * (_PEAK / max(loudest, 1e-4)), rate_hz, compression_level=_MP3_LEVEL, **_MP3
    )
    return data.getvalue()


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as an address that holds them itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
