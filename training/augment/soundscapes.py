"""Soundscapes: recordings with known calls, made of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counter.records import FloatArray
from training.augment.levels import (
    background_power,
    band_level,
    call_extent,
    piece_bases,
    steady_power,
)
from training.data.clip_set import BACKGROUND, Clip, ClipSet, KnownRecording
from training.settings.front_end_settings import FrontEndSettings
from training.settings.train_settings import ClipSettings, RuleSettings

CROSSFADE_S = 0.25
# Share of made recordings without any call, of those in chorus, and of those over two backgrounds.
EMPTY_SHARE, CHORUS_SHARE, TWO_BEDS_SHARE = 1 / 3, 1 / 3, 0.5
CHORUS_GAP_S = (0.6, 4.0)
SPARSE_GAP_S = (4.0, 40.0)
# Chance that another source takes over, and that a piece of a call, which is none, follows.
CHANGE_SHARE, PIECE_SHARE = 0.3, 0.5
# How much of a call such a piece is.
PIECE = (0.1, 0.4)
FADE_S = 0.03


@dataclass(frozen=True)
class _Call:
    """A clip with a call: power of the call and of its own noise, and where in it the call is.

    ``piece_base`` is the number of samples that a piece is a share of.
    """

    clip: Clip
    power: float
    noise: float
    start: int
    stop: int
    piece_base: int


def _calls(clips: ClipSet, front_end: FrontEndSettings) -> tuple[_Call, ...]:
    some = [clip for clip in clips.clips if clip.label != BACKGROUND]
    noises = [steady_power(clip.samples, front_end) for clip in some]
    levels = [band_level(clip.samples, front_end) for clip in some]
    powers = [(level**2 - noise, noise) for level, noise in zip(levels, noises, strict=True)]
    ends = [call_extent(clip.samples, front_end) for clip in some]
    bases = piece_bases(np.array(ends), np.array([clip.label for clip in some])).tolist()
    return tuple(
        _Call(clip, *both, *between, base)
        for clip, both, between, base in zip(some, powers, ends, bases, strict=True)
    )


def make_recordings(
    clips: ClipSet,
    front_end: FrontEndSettings,
    settings: RuleSettings,
    *,
    n_recordings: int,
    seed: Sequence[int],
    time_scale: float = 1.0,
) -> list[KnownRecording]:
    """Recordings made from the clips of held-out sources; the same seed gives the same ones.

    Their pauses and lengths are ``time_scale`` times the usual ones.
    """
    rng = np.random.default_rng(list(seed))
    calls = _calls(clips, front_end)
    how = _Making(front_end, settings, front_end.sample_rate_hz * time_scale)
    return [_recording(clips, calls, how, rng=rng) for _ in range(n_recordings)]


@dataclass(frozen=True)
class _Making:
    """How recordings are made."""

    front_end: FrontEndSettings
    settings: RuleSettings
    usual_rate_hz: float  # samples of what usually lasts a second


def _recording(
    clips: ClipSet,
    calls: tuple[_Call, ...],
    how: _Making,
    *,
    rng: np.random.Generator,
) -> KnownRecording:
    front_end, settings = how.front_end, how.settings
    n_samples = int(settings.recording_s * how.usual_rate_hz)
    backgrounds = clips.of(BACKGROUND)
    background = _background(backgrounds, n_samples, how.usual_rate_hz, rng)
    if rng.random() < TWO_BEDS_SHARE:
        other = _background(backgrounds, n_samples, how.usual_rate_hz, rng)
        background = background + other * 10 ** (-rng.uniform(0, 12) / 20)
    laid: list[tuple[int, float, float]] = []
    kind = rng.random()
    if kind >= EMPTY_SHARE:
        gaps = CHORUS_GAP_S if kind < EMPTY_SHARE + CHORUS_SHARE else SPARSE_GAP_S
        callers = _Callers(
            calls=calls,
            level=band_level(background, front_end),
            snr_db=(settings.snr_low_db, settings.snr_high_db),
            usual_rate_hz=how.usual_rate_hz,
        )
        laid = _lay_calls(background, callers, gaps, rng)
        stretch = how.usual_rate_hz / front_end.sample_rate_hz
        laid = [(label, start * stretch, stop * stretch) for label, start, stop in laid]
    return KnownRecording(background.astype(np.float32), tuple(laid))


def _background(
    backgrounds: Sequence[Clip],
    n_samples: int,
    usual_rate_hz: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Background clips of one or more sources end to end, crossfaded."""
    fade = int(CROSSFADE_S * usual_rate_hz)
    fade = max(1, min(fade, min(len(clip.samples) for clip in backgrounds) // 3))
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    sources = sorted({clip.source for clip in backgrounds})
    n_chosen = min(len(sources), int(rng.integers(1, 4)))
    chosen = set(rng.choice(sources, size=n_chosen, replace=False))
    pool = [clip for clip in backgrounds if clip.source in chosen]
    background = np.zeros(n_samples + fade, dtype=np.float32)
    position = 0
    while position < n_samples:
        samples = pool[rng.integers(len(pool))].samples.copy()
        samples[:fade] *= np.sqrt(ramp)
        samples[-fade:] *= np.sqrt(ramp[::-1])
        stop = min(position + len(samples), len(background))
        background[position:stop] += samples[: stop - position]
        position += max(1, len(samples) - fade)
    return background[:n_samples]


@dataclass(frozen=True)
class _Callers:
    """Who sings in one made recording, and how loud."""

    calls: tuple[_Call, ...]
    level: float
    snr_db: tuple[float, float]
    usual_rate_hz: float

    def drawn_source(self, rng: np.random.Generator) -> str:
        """The source of a clip drawn at random: one odd clip must not rule a whole recording."""
        return self.calls[rng.integers(len(self.calls))].clip.source

    def call_of(self, source: str, rng: np.random.Generator) -> _Call:
        own = [call for call in self.calls if call.clip.source == source]
        return own[rng.integers(len(own))]

    def sound(
        self, call: _Call, snr_db: float, share: float, rng: np.random.Generator
    ) -> FloatArray:
        """A clip, or a share of its call, with soft edges and at a level."""
        samples = call.clip.samples
        if share < 1.0:
            part = max(1, int(share * call.piece_base))
            first = call.start + int(rng.integers(call.stop - call.start - part + 1))
            samples = samples[first : first + part]
        samples = samples.copy()
        fade = min(int(FADE_S * self.usual_rate_hz), len(samples) // 2)
        samples[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        snr_db = float(np.clip(snr_db, *self.snr_db))
        power = background_power(call.power, call.noise, snr_db, max)
        return samples * np.float32(self.level / power**0.5)


def _lay_calls(
    background: FloatArray,
    callers: _Callers,
    gap_range_s: tuple[float, float],
    rng: np.random.Generator,
) -> list[tuple[int, float, float]]:
    """Add calls to ``background`` in place; each source sings at its own level, give or take 2 dB.

    In some pauses stands a piece of a call, which is no call. Calls are given in usual seconds.
    """
    rate = callers.usual_rate_hz
    snr_db = rng.uniform(*callers.snr_db)
    source = callers.drawn_source(rng)
    laid: list[tuple[int, float, float]] = []
    position_s = rng.uniform(0, gap_range_s[1])
    while True:
        if rng.random() < CHANGE_SHARE:
            source = callers.drawn_source(rng)
        call = callers.call_of(source, rng)
        sound = callers.sound(call, snr_db + rng.normal(0, 2), 1.0, rng)
        start = int(position_s * rate)
        stop = start + len(sound)
        if stop > len(background):
            return laid
        background[start:stop] += sound
        laid.append((call.clip.label, (start + call.start) / rate, (start + call.stop) / rate))
        gap_s = rng.uniform(*gap_range_s)
        if rng.random() < PIECE_SHARE:
            piece = callers.sound(call, snr_db - rng.uniform(0, 10), rng.uniform(*PIECE), rng)
            begin = stop + int(rng.uniform(0, 1) * max(0, gap_s * rate - len(piece)))
            room = background[begin : begin + len(piece)]
            if gap_s * rate > len(piece):
                room += piece[: len(room)]
        position_s = stop / rate + gap_s


# Two clips meet in so long a crossfade: a cut is a click, which no class has.
CLIP_CROSSFADE_S = 0.05
# Each clip stands by so much lower or higher than it was recorded.
GAIN_DB = (-6.0, 6.0)


def stands_alone(settings: ClipSettings) -> bool:
    """Whether no background is asked for, of any origin."""
    return not (settings.background or settings.reviewed or settings.annotations is not None)


def make_clip_series(
    clips: ClipSet, settings: RuleSettings, *, seed: Sequence[int]
) -> list[KnownRecording]:
    """Recordings of held-out clips one after another; the same seed gives the same ones.

    A clip never follows one of its own label, so that each is one event; with fewer than two labels
    none is made. Levels over background, of the settings, have no meaning here.
    """
    labels = sorted({clip.label for clip in clips.clips})
    if len(labels) < 2:
        return []
    rng = np.random.default_rng(list(seed))
    return [
        _clip_series(clips, labels, settings.recording_s, rng)
        for _ in range(settings.recordings_per_fold)
    ]


def _clip_series(
    clips: ClipSet, labels: Sequence[int], recording_s: float, rng: np.random.Generator
) -> KnownRecording:
    rate_hz = clips.sample_rate_hz
    sound = np.zeros(int(recording_s * rate_hz), dtype=np.float32)
    calls: list[tuple[int, float, float]] = []
    label, start, stop = int(rng.choice(labels)), 0, 0
    while True:
        samples = _faded(_drawn(clips.of(label), rng).samples, int(CLIP_CROSSFADE_S * rate_hz))
        if calls and start + len(samples) > len(sound):
            return KnownRecording(sound[:stop], tuple(calls))  # no clip is cut
        stop = min(start + len(samples), len(sound))
        gain = np.float32(10 ** (rng.uniform(*GAIN_DB) / 20))
        sound[start:stop] += gain * samples[: stop - start]
        calls.append((label, start / rate_hz, stop / rate_hz))
        start = max(start + 1, stop - int(CLIP_CROSSFADE_S * rate_hz))
        label = int(rng.choice([other for other in labels if other != label]))


def _drawn(clips: Sequence[Clip], rng: np.random.Generator) -> Clip:
    """A clip of a source drawn first: one with many clips must not rule."""
    source = rng.choice(sorted({clip.source for clip in clips}))
    own = [clip for clip in clips if clip.source == source]
    return own[int(rng.integers(len(own)))]


def _faded(samples: FloatArray, fade: int) -> FloatArray:
    """A clip with soft edges of equal power."""
    fade = max(1, min(fade, len(samples) // 2))
    ramp = np.sqrt(np.linspace(0, 1, fade, dtype=np.float32))
    faded = samples.copy()
    faded[:fade] *= ramp
    faded[len(faded) - fade :] *= ramp[::-1]
    return faded


# Recordings with so many annotated calls of each label show what is to be counted better than
# recordings that are made.
LEAST_CALLS = 10


def is_enough(clips: ClipSet) -> bool:
    """Whether so much is annotated that no recordings need be made: ``LEAST_CALLS`` each label."""
    return min(clips.n_known_calls, default=0) >= LEAST_CALLS
