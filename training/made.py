"""Made recordings: calls of held-out sources laid over held-out backgrounds at known times.

Clips alone give the wrong operating point: a background clip seen once says nothing about an hour
of it. So the event rules are learned on recordings whose truth is known because we made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counter.records import FloatArray
from training.clips import BACKGROUND, Clip, ClipSet
from training.levels import band_level, bed_power, call_extent, piece_bases, steady_power
from training.settings import FrontEndSettings, RuleSettings

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
class MadeRecording:
    """Sound with known calls.

    Attributes
    ----------
    samples : array of float32, shape (n_samples,)
    calls : tuple of (label index, start_s, end_s)
        In order of start; calls of a recording that was made do not overlap.
    is_made : bool
        Whether it was made of clips; else it was annotated.
    """

    samples: FloatArray
    calls: tuple[tuple[int, float, float], ...]
    is_made: bool = True


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
) -> list[MadeRecording]:
    """Recordings made from the clips of held-out sources; the same seed gives the same ones."""
    rng = np.random.default_rng(list(seed))
    calls = _calls(clips, front_end)
    return [_recording(clips, calls, (front_end, settings), rng) for _ in range(n_recordings)]


def _recording(
    clips: ClipSet,
    calls: tuple[_Call, ...],
    how: tuple[FrontEndSettings, RuleSettings],
    rng: np.random.Generator,
) -> MadeRecording:
    front_end, settings = how
    n_samples = int(settings.recording_s * front_end.sample_rate_hz)
    backgrounds = clips.of(BACKGROUND)
    bed = _bed(backgrounds, n_samples, front_end, rng)
    if rng.random() < TWO_BEDS_SHARE:
        bed = bed + _bed(backgrounds, n_samples, front_end, rng) * 10 ** (-rng.uniform(0, 12) / 20)
    laid: list[tuple[int, float, float]] = []
    kind = rng.random()
    if kind >= EMPTY_SHARE:
        gaps = CHORUS_GAP_S if kind < EMPTY_SHARE + CHORUS_SHARE else SPARSE_GAP_S
        singers = _Singers(
            calls=calls,
            level=band_level(bed, front_end),
            snr_db=(settings.snr_low_db, settings.snr_high_db),
            sample_rate_hz=front_end.sample_rate_hz,
        )
        laid = _lay_calls(bed, singers, gaps, rng)
    return MadeRecording(bed.astype(np.float32), tuple(laid))


def _bed(
    backgrounds: Sequence[Clip],
    n_samples: int,
    front_end: FrontEndSettings,
    rng: np.random.Generator,
) -> FloatArray:
    """Background clips of one or more sources end to end, crossfaded."""
    fade = int(CROSSFADE_S * front_end.sample_rate_hz)
    fade = max(1, min(fade, min(len(clip.samples) for clip in backgrounds) // 3))
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    sources = sorted({clip.source for clip in backgrounds})
    chosen = set(rng.choice(sources, size=min(len(sources), rng.integers(1, 4)), replace=False))
    pool = [clip for clip in backgrounds if clip.source in chosen]
    bed = np.zeros(n_samples + fade, dtype=np.float32)
    position = 0
    while position < n_samples:
        samples = pool[rng.integers(len(pool))].samples.copy()
        samples[:fade] *= np.sqrt(ramp)
        samples[-fade:] *= np.sqrt(ramp[::-1])
        stop = min(position + len(samples), len(bed))
        bed[position:stop] += samples[: stop - position]
        position += max(1, len(samples) - fade)
    return bed[:n_samples]


@dataclass(frozen=True)
class _Singers:
    """Who sings in one made recording, and how loud."""

    calls: tuple[_Call, ...]
    level: float
    snr_db: tuple[float, float]
    sample_rate_hz: int

    def drawn_source(self, rng: np.random.Generator) -> str:
        """The source of a clip drawn at random: one odd clip must not rule a whole recording."""
        return self.calls[rng.integers(len(self.calls))].clip.source

    def one_of(self, source: str, rng: np.random.Generator) -> _Call:
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
        fade = min(int(FADE_S * self.sample_rate_hz), len(samples) // 2)
        samples[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        snr_db = float(np.clip(snr_db, *self.snr_db))
        return samples * np.float32(
            self.level / bed_power(call.power, call.noise, snr_db, max) ** 0.5
        )


def _lay_calls(
    bed: FloatArray, singers: _Singers, gap_range_s: tuple[float, float], rng: np.random.Generator
) -> list[tuple[int, float, float]]:
    """Add calls to ``bed`` in place; each source sings at its own level, give or take 2 dB.

    In some pauses stands a piece of a call, which is no call.
    """
    rate = singers.sample_rate_hz
    snr_db = rng.uniform(*singers.snr_db)
    source = singers.drawn_source(rng)
    laid: list[tuple[int, float, float]] = []
    position_s = rng.uniform(0, gap_range_s[1])
    while True:
        if rng.random() < CHANGE_SHARE:
            source = singers.drawn_source(rng)
        call = singers.one_of(source, rng)
        sound = singers.sound(call, snr_db + rng.normal(0, 2), 1.0, rng)
        start = int(position_s * rate)
        stop = start + len(sound)
        if stop > len(bed):
            return laid
        bed[start:stop] += sound
        laid.append((call.clip.label, (start + call.start) / rate, (start + call.stop) / rate))
        gap_s = rng.uniform(*gap_range_s)
        if rng.random() < PIECE_SHARE:
            piece = singers.sound(call, snr_db - rng.uniform(0, 10), rng.uniform(*PIECE), rng)
            begin = stop + int(rng.uniform(0, 1) * max(0, gap_s * rate - len(piece)))
            room = bed[begin : begin + len(piece)]
            if gap_s * rate > len(piece):
                room += piece[: len(room)]
        position_s = stop / rate + gap_s
