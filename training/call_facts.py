"""Call facts: band and length of calls, measured against their background."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.audio.stream import probe
from counter.errors import AudioError
from counter.records import FloatArray
from training.data.annotated_clips import AnnotatedCalls, Span, cut_out
from training.data.clip_set import read_clip

# So much of every recording is looked at.
MOST_CALLS, MOST_BACKGROUND_S = 40, 60.0
# Spectra are as long as a typical call, within these: bands are as narrow as the call allows.
SPECTRUM_S, SILENCE_POWER = (0.0005, 0.256), 1e-12
LOWEST_HZ, BANDS_PER_OCTAVE = 20.0, 6
# A call whose loudest band holds less than this many times the background's power is not heard;
# nor is a band that is not above this quantile of stretches of background as long as a call.
LEAST_RATIO, LOUD_BACKGROUND = 4.0, 0.95
MOST_STRETCHES = 200
# Where less than this share of calls is heard alone, their mean is asked: it must be so many of its
# standard errors above the background.
LEAST_HEARD, LEAST_ERRORS = 0.25, 4.0
# Where at least this share of calls was marked with a band, that is taken.
LEAST_MARKED = 0.5
# Nor is a band with less than this share of the call's loudest: where MP3 leaves no background at
# all, the faintest overtone stands out.
LEAST_SHARE = 0.01
# Left out at either end: this share of what stands out of a call, and of all calls.
ODD_SHARE, ODD_CALLS = 0.05, 0.1
# The band is wider than the calls by this factor on either side.
ROOM = 1.15
# What a recording holds of its own Nyquist frequency, above which filters have done their work.
HIGHEST_SHARE = 0.9
SHORT_CALL, LONG_CALL = 0.1, 0.95
MIN_RATE_HZ = 2000
# So many clips with a call, and without, are looked at; spectra as long as these shares of a clip
# are tried, down to so many samples.
MOST_CLIPS, CLIP_SHARES, LEAST_SAMPLES = 60, (1 / 4, 1 / 16, 1 / 64, 1 / 256), 32
# A clip's background is the power that this share of its spectra stay below.
QUIET = 0.1
# What stands out of clips on average by less than this share of where they do most is left out; so
# much is enough in any of them, as digital silence is as far below as one likes.
CLIP_FLOOR, MOST_RATIO = 0.3, 30.0


@dataclass(frozen=True)
class CallFacts:
    """What calls are like."""

    n_calls: int  # calls that stand out of the background
    low_hz: float  # the band that they stand out in; where none does, all that is recorded
    high_hz: float
    short_s: float  # length of a short call
    long_s: float  # and of a long one
    # How far each call stands out in each band, logarithms of power ratios, (n_calls, n_bands); 0
    # where it does not. And the edges of these bands, (n_bands + 1,).
    levels: NDArray[np.float64] = field(repr=False, compare=False)
    edges_hz: NDArray[np.float64] = field(repr=False, compare=False)

    def over_db(self, low_hz: float, high_hz: float) -> float:
        """How far calls stand out where they do most between two frequencies; the median, in dB."""
        is_inside = (self.edges_hz[1:] > low_hz) & (self.edges_hz[:-1] < high_hz)
        highest = (self.levels * is_inside).max(axis=1)
        return float(10 / np.log(10) * np.median(highest))


def band_edges_hz(sample_rate_hz: int) -> NDArray[np.float64]:
    """Edges of bands of a sixth of an octave, of all that a rate holds, shape (n_bands + 1,)."""
    octaves = np.log2(HIGHEST_SHARE * sample_rate_hz / 2 / LOWEST_HZ)
    shares = np.linspace(0, octaves, int(octaves * BANDS_PER_OCTAVE) + 1)
    edges_hz: NDArray[np.float64] = LOWEST_HZ * 2**shares
    return edges_hz


def band_powers(
    samples: FloatArray, size: int, sample_rate_hz: int, edges_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Power of half-overlapping spectra of ``size`` samples in bands, (n_spectra, n_bands).

    Above 0; a sound shorter than a spectrum is followed by silence.
    """
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: max(1, size // 2)]
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    # A band may be narrower than a bin: each holds the share of a bin that it covers.
    places = edges_hz * size / sample_rate_hz + 0.5
    bins = np.arange(power.shape[1])[:, None]
    shares = np.minimum(bins + 1, places[1:]) - np.maximum(bins, places[:-1])
    bands: NDArray[np.float64] = power @ np.clip(shares, 0, 1)
    return bands + SILENCE_POWER


def band_of(level: NDArray[np.float64], edges_hz: NDArray[np.float64], floor: float = 0.5) -> Span:
    """Lowest and highest frequency of what is above a share of the highest level, itself above 0.

    Left out is ``ODD_SHARE`` of that at either end.
    """
    over = np.maximum(level - level.max() * floor, 0)
    share = np.cumsum(over) / over.sum()
    low = int(np.searchsorted(share, ODD_SHARE))
    high = int(np.searchsorted(share, 1 - ODD_SHARE))
    return float(edges_hz[low]), float(edges_hz[high + 1])


def call_facts(annotated: AnnotatedCalls, labels: Sequence[str]) -> CallFacts | None:
    """Measure the annotated calls of some labels (none named: all) against their backgrounds.

    For each call, how many decibels it stands over its recording's background, in bands of a sixth
    of an octave. What is above half of its highest such figure is the call; its band holds all of
    that but ``ODD_SHARE`` at either end. The band of all calls leaves out ``ODD_CALLS`` of them at
    either end. Where few stand out alone, the band is that in which they do on average; where most
    were marked with a band, it is theirs.

    Returns
    -------
    CallFacts or None
        ``None`` where no call can be measured.
    """
    bands = _Bands.of(annotated)
    lengths_s: list[float] = []
    heard: list[_Heard] = []
    marked_hz: list[Span] = []
    for name, calls in annotated.calls.items():
        wanted = [one for one in calls if not (labels and one.label) or one.label in labels]
        spans = [(one.start_s, one.end_s) for one in wanted]
        lengths_s += [end_s - start_s for start_s, end_s in spans]
        marked_hz += [one.band_hz for one in wanted if one.band_hz]
        try:
            heard += _heard(annotated, name, spans, bands)
        except AudioError:
            continue  # named, and counted with what failed, when clips are cut
    if not heard:
        return None
    is_marked = len(marked_hz) >= LEAST_MARKED * len(lengths_s)
    return _facts(heard, bands, lengths_s, marked_hz if is_marked else [])


def _facts(
    heard: Sequence[_Heard], bands: _Bands, lengths_s: Sequence[float], marked_hz: Sequence[Span]
) -> CallFacts:
    """What all calls come to; the bands that were marked, where there are any, are theirs."""
    levels = [bands.level(one) for one in heard]
    bands_hz = marked_hz or [band_of(one, bands.edges_hz) for one in levels if one.any()]
    if not marked_hz and len(bands_hz) < LEAST_HEARD * len(heard):
        mean_hz = bands.of_all(heard)
        bands_hz = bands_hz if mean_hz is None else [mean_hz] * len(heard)
    whole_hz = (float(bands.edges_hz[0]), float(bands.edges_hz[-1]))
    low_hz, high_hz = np.array(bands_hz or [whole_hz]).T
    return CallFacts(
        n_calls=len(bands_hz),
        low_hz=_rounded(float(np.quantile(low_hz, ODD_CALLS)) / ROOM),
        high_hz=_rounded(float(np.quantile(high_hz, 1 - ODD_CALLS)) * ROOM),
        short_s=float(np.quantile(lengths_s, SHORT_CALL)),
        long_s=float(np.quantile(lengths_s, LONG_CALL)),
        levels=np.array(levels),
        edges_hz=bands.edges_hz,
    )


def _rounded(hz: float) -> float:
    """To two digits: more would pretend that the band is known better."""
    return float(f"{hz:.2g}")


@dataclass(frozen=True)
class _Heard:
    """Power of a call and of its recording's background in each band, shape (n_bands,)."""

    call: NDArray[np.float64]
    background: NDArray[np.float64]  # the median of stretches as long as a call
    loud_background: NDArray[np.float64]  # the ``LOUD_BACKGROUND`` quantile of them


def _heard(
    annotated: AnnotatedCalls, name: str, spans: Sequence[Span], bands: _Bands
) -> list[_Heard]:
    """Calls of one recording beside its background; where they leave none, beside all of it."""
    kept = np.linspace(0, len(spans), min(len(spans), MOST_CALLS), endpoint=False).astype(int)
    calls = [spans[index] for index in kept]
    rest = annotated.background_spans(name, MOST_BACKGROUND_S)
    rest = rest or [(0.0, min(max((end_s for _, end_s in spans), default=0), MOST_BACKGROUND_S))]
    if not calls:
        return []
    rate_hz = probe(annotated.paths[name]).sample_rate_hz
    cut = cut_out(annotated.paths[name], [*calls, *rest], rate_hz)
    size = max(1, int(bands.typical_s * rate_hz))
    stretches = [
        one[first : first + size]
        for one in cut[len(calls) :]
        for first in range(0, max(len(one) - size, 0) + 1, size)
        if len(one)
    ]
    if not stretches:
        return []
    step = -(-len(stretches) // MOST_STRETCHES)
    background = [bands.powers(one, rate_hz) for one in stretches[::step]]
    median, loud = np.quantile(background, [0.5, LOUD_BACKGROUND], axis=0)
    powers = (bands.powers(one, rate_hz) for one in cut[: len(calls)] if len(one))
    return [_Heard(one, median, loud) for one in powers]


@dataclass(frozen=True)
class _Bands:
    """Bands of a sixth of an octave, for recordings of any rate."""

    edges_hz: NDArray[np.float64]  # shape (n_bands + 1,)
    typical_s: float  # length of a typical call

    @classmethod
    def of(cls, annotated: AnnotatedCalls) -> _Bands:
        """Up to what the recording of the highest rate holds."""
        rates_hz = [MIN_RATE_HZ]
        for path in annotated.paths.values():
            with suppress(AudioError):
                rates_hz.append(probe(path).sample_rate_hz)
        return cls(band_edges_hz(max(rates_hz)), annotated.typical_s)

    def powers(self, samples: FloatArray, sample_rate_hz: int) -> NDArray[np.float64]:
        """Mean power of a sound in each band, shape (n_bands,); above 0."""
        size = max(8, int(np.clip(self.typical_s, *SPECTRUM_S) * sample_rate_hz))
        mean: NDArray[np.float64] = band_powers(samples, size, sample_rate_hz, self.edges_hz).mean(
            axis=0
        )
        return mean

    def level(self, heard: _Heard) -> NDArray[np.float64]:
        """How far a call stands out in each band; 0 where it does not."""
        excess = heard.call - heard.background
        is_out = (excess >= LEAST_SHARE * excess.max()) & (heard.call > heard.loud_background)
        level = np.where(is_out, np.log(heard.call / heard.background), 0)
        result: NDArray[np.float64] = level * (level.max() >= np.log(LEAST_RATIO))
        return result

    def of_all(self, heard: Sequence[_Heard]) -> Span | None:
        """The same of the mean of many calls; ``None`` where chance may have done it."""
        if len(heard) < 2:
            return None
        levels = np.array([np.log(one.call / one.background) for one in heard])
        mean, error = levels.mean(axis=0), levels.std(axis=0, ddof=1) / np.sqrt(len(levels))
        level = np.where(mean > LEAST_ERRORS * error, mean, 0)
        return band_of(level, self.edges_hz) if level.max() > 0 else None


@dataclass(frozen=True)
class _Sound:
    """A clip at the rate that it was recorded at."""

    samples: FloatArray
    sample_rate_hz: int


def clip_facts(calls: Sequence[Path], backgrounds: Sequence[Path]) -> CallFacts | None:
    """Measure clips with a call against clips without one, and against their own quiet moments.

    Where a clip was cut loosely, its call is what rises above the clip's own background by more
    than sounds of clips without a call do. Where it was cut closely, nothing rises: its call is
    then where its spectrum, moved so that most of it agrees with theirs, stands above it. Spectra
    of several lengths are tried; those count in which calls stand out furthest.

    Returns
    -------
    CallFacts or None
        ``None`` where there are no clips of both kinds.
    """
    with_call, without = _sounds(calls), _sounds(backgrounds)
    if not with_call or not without:
        return None
    edges_hz = band_edges_hz(max(one.sample_rate_hz for one in [*with_call, *without]))
    usual_s = float(np.median([len(one.samples) / one.sample_rate_hz for one in with_call]))
    found = [
        scale
        for share in CLIP_SHARES
        if (scale := _Scale.of(share * usual_s, edges_hz, with_call, without)) is not None
    ]
    n_calls, low_hz, high_hz = 0, float(edges_hz[0]), float(edges_hz[-1])
    levels = np.zeros((len(with_call), len(edges_hz) - 1))
    if found:
        best = max(found, key=lambda scale: scale.height)
        levels, n_calls = best.levels, int(best.levels.any(axis=1).sum())
        # The mean of all clips: what stands out of one by chance does not stand out of others.
        low_hz, high_hz = band_of(best.levels.mean(axis=0), edges_hz, CLIP_FLOOR)
    low, high = _rounded(low_hz / ROOM), _rounded(high_hz * ROOM)
    lengths = [call_length_s(one.samples, one.sample_rate_hz, (low, high)) for one in with_call]
    told = [length_s for length_s, is_risen in lengths if is_risen]
    # Of a faint call in a long clip it cannot be told; where few can, clips are cut closely.
    lengths_s = told if len(told) >= LEAST_HEARD * len(lengths) else [one for one, _ in lengths]
    return CallFacts(
        n_calls=n_calls,
        low_hz=low,
        high_hz=high,
        short_s=float(np.quantile(lengths_s, SHORT_CALL)),
        long_s=float(np.quantile(lengths_s, LONG_CALL)),
        levels=levels,
        edges_hz=edges_hz,
    )


def _sounds(paths: Sequence[Path]) -> list[_Sound]:
    """Clips that decode, evenly out of many; those of a single value, such as silence, are none."""
    kept = np.linspace(0, len(paths), min(len(paths), MOST_CLIPS), endpoint=False).astype(int)
    found = []
    for index in kept:
        with suppress(AudioError):  # named, and counted with what failed, when all are read
            rate_hz = probe(paths[index]).sample_rate_hz
            found.append(_Sound(read_clip(paths[index], rate_hz), rate_hz))
    return [one for one in found if np.ptp(one.samples)]


@dataclass(frozen=True)
class _Scale:
    """How far calls stand out in spectra of one length."""

    levels: NDArray[np.float64]  # logarithms of power ratios, (n_clips, n_bands); 0: it does not
    height: float  # the mean over clips of the highest

    @classmethod
    def of(
        cls,
        spectrum_s: float,
        edges_hz: NDArray[np.float64],
        with_call: Sequence[_Sound],
        without: Sequence[_Sound],
    ) -> _Scale | None:
        """``None`` where spectra would be too short, or few clips stand out."""
        if spectrum_s * min(one.sample_rate_hz for one in with_call) < LEAST_SAMPLES:
            return None
        own, other = (_Spectra.of(some, spectrum_s, edges_hz) for some in (with_call, without))
        rise = _standing_out(own.rises, other.rises, own.peaks)
        usual = np.median(other.means, axis=0)
        mean = _standing_out(_aligned(own.means, usual), _aligned(other.means, usual), own.means)
        is_loose = rise.max(axis=1, keepdims=True) >= np.log(LEAST_RATIO)
        levels = np.minimum(np.where(is_loose, rise, mean), np.log(MOST_RATIO))
        levels *= levels.max(axis=1, keepdims=True) >= np.log(LEAST_RATIO)
        if levels.any(axis=1).mean() < LEAST_HEARD:
            return None  # chance does as much
        return cls(levels, float(levels.max(axis=1).mean()))


@dataclass(frozen=True)
class _Spectra:
    """What spectra of clips come to, logarithms of power, each (n_clips, n_bands)."""

    rises: NDArray[np.float64]  # how far the loudest is above the quiet ones
    peaks: NDArray[np.float64]  # the loudest
    means: NDArray[np.float64]

    @classmethod
    def of(
        cls, sounds: Sequence[_Sound], spectrum_s: float, edges_hz: NDArray[np.float64]
    ) -> _Spectra:
        """Of clips in spectra of one length; at least one clip."""
        rises, peaks, means = [], [], []
        for one in sounds:
            size = max(LEAST_SAMPLES // 2, int(spectrum_s * one.sample_rate_hz))
            power = band_powers(one.samples, size, one.sample_rate_hz, edges_hz)
            peaks.append(np.log(power.max(axis=0)))
            rises.append(peaks[-1] - np.log(np.quantile(power, QUIET, axis=0)))
            means.append(np.log(power.mean(axis=0)))
        return cls(np.array(rises), np.array(peaks), np.array(means))


def _standing_out(
    values: NDArray[np.float64], usual: NDArray[np.float64], powers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values over the median of the usual ones; 0 where loud ones of these are as far above it.

    Also 0 where a clip's power is below ``LEAST_SHARE`` of the highest among what is not.
    """
    median, loud = np.quantile(usual, [0.5, LOUD_BACKGROUND], axis=0)
    over = np.where(values > loud, values - median, 0)
    highest = np.where(over > 0, powers, -np.inf).max(axis=1, keepdims=True)
    result: NDArray[np.float64] = np.where(powers >= highest + np.log(LEAST_SHARE), over, 0)
    return result


def _aligned(means: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spectra moved up or down so that most of each agrees with the usual one."""
    apart = means - usual
    moved: NDArray[np.float64] = apart - np.median(apart, axis=1, keepdims=True)
    return moved


def call_length_s(samples: FloatArray, sample_rate_hz: int, band_hz: Span) -> tuple[float, bool]:
    """Length of a clip's call: from the first to the last of what rises in its band; in seconds.

    And whether anything rises; a clip in which nothing does is all call.

    That is all but the first and the last hundredth of the power that is nearer, in decibels, to
    the loudest spectrum than to the quiet ones.
    """
    size = max(LEAST_SAMPLES // 2, min(len(samples) // 32, int(SPECTRUM_S[1] * sample_rate_hz)))
    power = band_powers(samples, size, sample_rate_hz, np.array(band_hz))[:, 0]
    quiet = float(np.quantile(power, QUIET))
    duration_s = len(samples) / sample_rate_hz
    if power.max() < LEAST_RATIO * quiet:
        return duration_s, False
    risen = np.maximum(power - np.sqrt(quiet * power.max()), 0)
    share = np.cumsum(risen) / risen.sum()
    first, last = np.searchsorted(share, (0.01, 0.99))
    return float(min(duration_s, (last - first + 1) * (size // 2) / sample_rate_hz)), True
