"""Made recordings where there is no background: clips of all labels one after another.

Speech, song and silence are each a class, and one of them is always on: nothing stands behind them
that a call could be laid over. So the event rules are learned on the clips in a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counter.records import FloatArray
from training.clipset import Clip, ClipSet
from training.made import MadeRecording
from training.settings import ClipSettings, RuleSettings

# Two clips meet in so long a crossfade: a cut is a click, which no class has.
CROSSFADE_S = 0.05
# Each clip stands by so much lower or higher than it was recorded.
GAIN_DB = (-6.0, 6.0)


def stands_alone(settings: ClipSettings) -> bool:
    """Whether no background is asked for, of any origin."""
    return not (settings.background or settings.reviewed or settings.annotations is not None)


def make_medleys(
    clips: ClipSet, settings: RuleSettings, *, seed: Sequence[int]
) -> list[MadeRecording]:
    """Recordings of held-out clips one after another; the same seed gives the same ones.

    A clip never follows one of its own label, so that each is one event.

    Parameters
    ----------
    clips : ClipSet
        Of unseen sources. With fewer than two labels among them, none is made.
    settings : RuleSettings
        Number and length; levels over background have no meaning here.
    seed : sequence of int
    """
    labels = sorted({clip.label for clip in clips.clips})
    if len(labels) < 2:
        return []
    rng = np.random.default_rng(list(seed))
    return [
        _medley(clips, labels, settings.recording_s, rng)
        for _ in range(settings.recordings_per_fold)
    ]


def _medley(
    clips: ClipSet, labels: Sequence[int], recording_s: float, rng: np.random.Generator
) -> MadeRecording:
    rate_hz = clips.sample_rate_hz
    sound = np.zeros(int(recording_s * rate_hz), dtype=np.float32)
    calls: list[tuple[int, float, float]] = []
    label, start, stop = int(rng.choice(labels)), 0, 0
    while True:
        samples = _faded(_drawn(clips.of(label), rng).samples, int(CROSSFADE_S * rate_hz))
        if calls and start + len(samples) > len(sound):
            return MadeRecording(sound[:stop], tuple(calls))  # no clip is cut
        stop = min(start + len(samples), len(sound))
        gain = np.float32(10 ** (rng.uniform(*GAIN_DB) / 20))
        sound[start:stop] += gain * samples[: stop - start]
        calls.append((label, start / rate_hz, stop / rate_hz))
        start = max(start + 1, stop - int(CROSSFADE_S * rate_hz))
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
