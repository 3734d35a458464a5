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
from training.levels import band_level, call_and_noise, call_extent
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
# No clip is laid louder over the background than this.
LOUDEST_DB = 25.0


@dataclass(frozen=True)
class MadeRecording:
    """Sound with known calls.

    Attributes
    ----------
    samples : array of float32, shape (n_samples,)
    calls : tuple of (label index, start_s, end_s)
        In order of start; calls of one recording do not overlap.
    """

    samples: FloatArray
    calls: tuple[tuple[int, float, float], ...]


def make_recording(
    clips: ClipSet, front_end: FrontEndSettings, settings: RuleSettings, rng: np.random.Generator
) -> MadeRecording:
    """One made recording from the clips of held-out sources."""
    n_samples = int(settings.recording_s * front_end.sample_rate_hz)
    backgrounds = clips.of(BACKGROUND)
    bed = _bed(backgrounds, n_samples, front_end, rng)
    if rng.random() < TWO_BEDS_SHARE:
        bed = bed + _bed(backgrounds, n_samples, front_end, rng) * 10 ** (-rng.uniform(0, 12) / 20)
    calls: list[tuple[int, float, float]] = []
    kind = rng.random()
    if kind >= EMPTY_SHARE:
        gaps = CHORUS_GAP_S if kind < EMPTY_SHARE + CHORUS_SHARE else SPARSE_GAP_S
        singers = _Singers(
            clips=tuple(clip for clip in clips.clips if clip.label != BACKGROUND),
            level=band_level(bed, front_end),
            snr_db=(settings.snr_low_db, settings.snr_high_db),
            front_end=front_end,
        )
        calls = _lay_calls(bed, singers, gaps, rng)
    return MadeRecording(bed.astype(np.float32), tuple(calls))


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

    clips: tuple[Clip, ...]
    level: float
    snr_db: tuple[float, float]
    front_end: FrontEndSettings

    def drawn_source(self, rng: np.random.Generator) -> str:
        """The source of a clip drawn at random: one odd clip must not rule a whole recording."""
        return self.clips[rng.integers(len(self.clips))].source

    def one_of(self, source: str, rng: np.random.Generator) -> Clip:
        own = [clip for clip in self.clips if clip.source == source]
        return own[rng.integers(len(own))]

    def sound(
        self, clip: Clip, snr_db: float, share: float, rng: np.random.Generator
    ) -> FloatArray:
        """A clip, or a share of its call, with soft edges and at a level."""
        samples = clip.samples
        if share < 1.0:
            start, stop = call_extent(samples, self.front_end)
            part = max(1, int(share * (stop - start)))
            first = start + int(rng.integers(stop - start - part + 1))
            samples = samples[first : first + part]
        samples = samples.copy()
        fade = min(int(FADE_S * self.front_end.sample_rate_hz), len(samples) // 2)
        samples[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        return samples * np.float32(self._gain(clip, float(np.clip(snr_db, *self.snr_db))))

    def _gain(self, clip: Clip, snr_db: float) -> float:
        """Gain at which the call stands ``snr_db`` over the background and its own noise.

        A call that was recorded with more noise than that is laid well over the background, and
        stands as far out as it ever did.
        """
        call, noise = call_and_noise(clip.samples, self.front_end)
        ratio = 10 ** (snr_db / 10)
        loudest = self.level**2 * 10 ** (LOUDEST_DB / 10) / (call + noise)
        spare = call - ratio * noise
        return float(np.sqrt(min(ratio * self.level**2 / spare, loudest) if spare > 0 else loudest))


def _lay_calls(
    bed: FloatArray, singers: _Singers, gap_range_s: tuple[float, float], rng: np.random.Generator
) -> list[tuple[int, float, float]]:
    """Add calls to ``bed`` in place; each source sings at its own level, give or take 2 dB.

    In some pauses stands a piece of a call, which is no call.
    """
    rate = singers.front_end.sample_rate_hz
    snr_db = rng.uniform(*singers.snr_db)
    source = singers.drawn_source(rng)
    calls: list[tuple[int, float, float]] = []
    position_s = rng.uniform(0, gap_range_s[1])
    while True:
        if rng.random() < CHANGE_SHARE:
            source = singers.drawn_source(rng)
        clip = singers.one_of(source, rng)
        sound = singers.sound(clip, snr_db + rng.normal(0, 2), 1.0, rng)
        start = int(position_s * rate)
        stop = start + len(sound)
        if stop > len(bed):
            return calls
        bed[start:stop] += sound
        first, last = call_extent(clip.samples, singers.front_end)
        calls.append((clip.label, (start + first) / rate, (start + last) / rate))
        gap_s = rng.uniform(*gap_range_s)
        if rng.random() < PIECE_SHARE:
            piece = singers.sound(clip, snr_db - rng.uniform(0, 10), rng.uniform(*PIECE), rng)
            begin = stop + int(rng.uniform(0, 1) * max(0, gap_s * rate - len(piece)))
            room = bed[begin : begin + len(piece)]
            if gap_s * rate > len(piece):
                room += piece[: len(room)]
        position_s = stop / rate + gap_s


def make_recordings(
    clips: ClipSet,
    front_end: FrontEndSettings,
    settings: RuleSettings,
    *,
    n_recordings: int,
    seed: Sequence[int],
) -> list[MadeRecording]:
    """Made recordings; the same seed gives the same ones."""
    rng = np.random.default_rng(list(seed))
    return [make_recording(clips, front_end, settings, rng) for _ in range(n_recordings)]
