"""Invented birds: clips and recordings of them, with known calls, by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from counter.storage.atomic import atomic_write
from counter.tables.csv import write_csv

CALL_BAND_HZ = (250.0, 3200.0)
LONGEST_CALL_S = 2.2
_INAUDIBLE_DB = -10.0

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Song:
    """What another species sings; pairs are ranges that each singer and song draws from."""

    pitch_hz: tuple[float, float]
    notes: tuple[int, int]  # fewest and most in a song
    note_s: tuple[float, float]
    pause_s: tuple[float, float]  # after each note
    sweep: tuple[float, float]  # pitch at a note's end over that at its start
    overtone: float  # amplitude of the second harmonic over that of the first

    def sing(self, rng: Generator, rate_hz: int, pitch_hz: float) -> Samples:
        """One song around ``pitch_hz`` with its echo, shape (n_samples,)."""
        note_s, pause_s = rng.uniform(*self.note_s), rng.uniform(*self.pause_s)
        start_hz, sweep = pitch_hz * rng.uniform(0.95, 1.05), rng.uniform(*self.sweep)
        parts = []
        for _ in range(rng.integers(self.notes[0], self.notes[1] + 1)):
            u = np.linspace(0, 1, int(note_s * rng.uniform(0.85, 1.15) * rate_hz))
            frequency_hz = start_hz * rng.uniform(0.98, 1.02) * sweep**u
            phase = 2 * np.pi * np.cumsum(frequency_hz) / rate_hz
            note = np.sin(phase) + self.overtone * np.sin(2 * phase)
            parts.append(note * np.sin(np.pi * u**0.7) * rng.uniform(0.6, 1.0))
            parts.append(np.zeros(int(pause_s * rng.uniform(0.85, 1.15) * rate_hz)))
        return _at_distance(np.concatenate(parts), rng, rate_hz)


# Starting pitches stay inside CALL_BAND_HZ, where levels are measured.
SONGS = {
    "whistle": Song((1500, 2900), (1, 3), (0.2, 0.8), (0.05, 0.3), (0.75, 1.2), 0.05),
    "chirp": Song((1600, 2600), (1, 5), (0.05, 0.14), (0.04, 0.2), (0.6, 1.35), 0.15),
    "trill": Song((2000, 2900), (12, 30), (0.025, 0.05), (0.015, 0.04), (0.85, 1.15), 0.1),
    "dove": Song((270, 480), (2, 4), (0.3, 0.7), (0.1, 0.35), (0.92, 1.03), 0.02),
    "owl": Song((280, 440), (3, 7), (0.12, 0.3), (0.15, 0.4), (0.9, 1.05), 0.08),
}
KINDS = ("wind", "dove", "crickets", "whistle", "rain", "owl", "buzz", "chirp", "dawn", "trill")


@dataclass(frozen=True)
class MadeBird:
    """An individual of the species, one source; each of its calls varies around these means."""

    pitch_hz: float  # of the fundamental; single calls stay within 300 to 420
    duration_s: float  # single calls stay within 1.2 to 2.2
    growl: float  # share of the call that growls
    vibrato_hz: float
    vibrato_depth: float  # deviation as a share of the pitch
    fall: float  # pitch at the end over that of the middle
    timbre: tuple[float, ...]  # amplitudes of the 5 to 8 harmonics
    tempo: float  # factor on the pauses between its calls

    @classmethod
    def drawn(cls, rng: Generator) -> MadeBird:
        """A bird drawn from the species."""
        n = int(rng.integers(5, 9))
        tilt_db = -rng.uniform(1.0, 2.8) * np.arange(n) + rng.normal(0, 3, n)
        return cls(
            pitch_hz=rng.uniform(312, 404),
            duration_s=rng.uniform(1.3, 2.05),
            growl=rng.uniform(0.2, 0.38),
            vibrato_hz=rng.uniform(4.5, 8),
            vibrato_depth=rng.uniform(0.004, 0.015),
            fall=rng.uniform(0.78, 0.93),
            timbre=tuple(float(10 ** (x / 20)) for x in tilt_db),
            tempo=rng.uniform(0.8, 1.25),
        )

    def call(self, rng: Generator, rate_hz: int) -> tuple[Samples, int]:
        """One call with its echo, shape (n_samples,), and its length without the echo's tail."""
        n = int(np.clip(self.duration_s * rng.normal(1, 0.06), 1.2, LONGEST_CALL_S) * rate_hz)
        t, u = np.arange(n) / rate_hz, np.linspace(0, 1, n)
        rough = 1 - _step(u / (self.growl * rng.uniform(0.85, 1.15)))
        end = _step((u - 0.68) / 0.32)
        pitch_hz = np.clip(self.pitch_hz * rng.normal(1, 0.015), 300, 420)
        wobble = self.vibrato_depth * np.sin(2 * np.pi * self.vibrato_hz * t + rng.uniform(0, 6))
        wobble += 0.012 * _wander(rng, n, rate_hz, 0.3)
        wobble += 0.35 * rough * _wander(rng, n, rate_hz, 0.004)
        contour = (1 - 0.45 * rough) * (1 - (1 - self.fall) * end) * (1 + wobble)
        phase = 2 * np.pi * np.cumsum(pitch_hz * contour) / rate_hz
        envelope = (0.45 + 0.55 * _step(3 * u)) * _step(u / 0.08) * (1 - end) ** 0.8
        envelope *= 1 + 0.2 * _wander(rng, n, rate_hz, 0.25)
        voice = np.zeros(n)
        for k, weight in enumerate(self.timbre, start=1):
            if k * pitch_hz < CALL_BAND_HZ[1]:
                amplitude = weight * 10 ** (rng.normal(0, 1.0) / 20)
                voice += amplitude * envelope ** (1 + 0.15 * k) * np.sin(k * phase)
        breath = _noise(rng, n, rate_hz, _bell(700, 500))
        flutter = np.sin(2 * np.pi * rng.uniform(24, 45) * t)
        voice += 0.5 * rough * envelope * breath
        return _at_distance(voice * (1 - 0.35 * rough * (1 + flutter)), rng, rate_hz), n


@dataclass(frozen=True)
class Soundscape:
    """The background of one source; levels are over the microphone's own noise."""

    wind_db: float
    crickets_db: float
    buzz_db: float
    drops_per_s: float  # of rain
    crickets_hz: float  # centre of their narrow band
    crickets_pulse_hz: float  # pulses a second
    callers: tuple[tuple[str, float], ...]  # key of SONGS, pitch in Hz; the first sings most
    songs_per_min: float

    @classmethod
    def drawn(cls, rng: Generator, kind: str = "") -> Soundscape:
        """A place where ``kind`` (of ``KINDS``) is heard most, or any place."""
        others = rng.choice(list(SONGS), 4, replace=False)
        names = [kind] * (kind in SONGS) + [str(name) for name in others]
        return cls(
            wind_db=rng.uniform(6, 20) + 8 * (kind == "wind"),
            crickets_db=rng.uniform(10, 20) if kind == "crickets" else rng.uniform(-15, 15),
            buzz_db=rng.uniform(5, 15) if kind == "buzz" else rng.uniform(-25, 8),
            drops_per_s=rng.uniform(15, 120) if kind == "rain" or rng.random() < 0.15 else 0.0,
            crickets_hz=rng.uniform(3100, 3800),
            crickets_pulse_hz=rng.uniform(8, 30),
            callers=tuple((name, rng.uniform(*SONGS[name].pitch_hz)) for name in names),
            songs_per_min=rng.uniform(25, 45) if kind == "dawn" else rng.uniform(3, 15),
        )

    def render(self, rng: Generator, n: int, rate_hz: int, fewest_songs: int = 0) -> Samples:
        """``n`` samples of background, shape (n,), with at least so many songs."""
        scene = _noise(rng, n, rate_hz, lambda f: (1 + f / 800) ** -0.3)
        turns = 2 * np.pi * np.arange(n) / rate_hz
        wind = _noise(rng, n, rate_hz, lambda f: f / (30 + f) ** 1.85)
        scene += _ratio(self.wind_db) * wind * (1 + 0.6 * _wander(rng, n, rate_hz, 1.5))
        if self.crickets_db > _INAUDIBLE_DB:
            chirring = _noise(rng, n, rate_hz, _bell(self.crickets_hz, 60))
            chirring *= np.maximum(np.sin(self.crickets_pulse_hz * turns), 0)
            chirring *= np.maximum(0.4 + _wander(rng, n, rate_hz, 0.8), 0)
            scene += _ratio(self.crickets_db) * chirring
        if self.buzz_db > _INAUDIBLE_DB:
            buzz = _noise(rng, n, rate_hz, _bell(4500, 1500)) * (1 + 0.6 * np.sin(90 * turns))
            scene += _ratio(self.buzz_db) * buzz * (1 + _wander(rng, n, rate_hz, 2.5))
        _add_rain(scene, rng, rate_hz, self.drops_per_s)
        floor_power = band_power(scene[: 30 * rate_hz], rate_hz)
        mean_songs = self.songs_per_min * n / rate_hz / 60
        for _ in range(max(fewest_songs, rng.poisson(mean_songs))):
            name, pitch_hz = self.callers[int(rng.integers(len(self.callers)) * rng.random())]
            song = SONGS[name].sing(rng, rate_hz, pitch_hz)[:n]
            song *= gain_to(song, rate_hz, rng.uniform(-3, 20), floor_power)
            start = int(rng.uniform(0, n - song.size // 2))
            scene[start : start + song.size] += song[: n - start]
        return scene


def band_power(samples: Samples, rate_hz: int) -> float:
    """Mean power within ``CALL_BAND_HZ``, by Parseval's theorem; there must be samples."""
    n_fft = _fft_size(samples.size)
    hz = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    inside = (hz >= CALL_BAND_HZ[0]) & (hz <= CALL_BAND_HZ[1])
    spectrum = np.fft.rfft(samples, n_fft)[inside]
    return float(2 * np.sum(np.abs(spectrum) ** 2) / n_fft / samples.size)


def lay(
    scene: Samples, sound: Samples, start: int, *, snr_db: float, rate_hz: int, n_body: int
) -> None:
    """Add a sound to a scene in place, at a level over what the scene holds there.

    The first ``n_body`` samples of the sound, before its echo's tail, must fit from ``start`` on;
    of the tail what does not fit is cut. ``snr_db`` is the ratio of the two powers within
    ``CALL_BAND_HZ``, over the body.
    """
    there = scene[start : start + sound.size]
    noise_power = band_power(there[:n_body], rate_hz)
    there += gain_to(sound[:n_body], rate_hz, snr_db, noise_power) * sound[: there.size]


def gain_to(body: Samples, rate_hz: int, snr_db: float, noise_power: float) -> float:
    """Factor that brings a sound to a level over noise, both within ``CALL_BAND_HZ``."""
    return float(np.sqrt(noise_power / band_power(body, rate_hz)) * _ratio(snr_db))


def _bell(centre_hz: float, width_hz: float) -> Callable[[Samples], Samples]:
    return lambda hz: np.exp(-(((hz - centre_hz) / width_hz) ** 2))


def _fft_size(n: int) -> int:
    """The next length without large prime factors, with which Fourier transforms are slow."""
    step = 1 << max(0, n.bit_length() - 4)
    return -(-n // step) * step


def _ratio(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _step(x: Samples) -> Samples:
    """From 0 at 0 to 1 at 1 without a corner."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _wander(rng: Generator, n: int, rate_hz: int, period_s: float) -> Samples:
    """A curve between -1 and 1 that turns about once a period."""
    period = period_s * rate_hz
    knots = rng.uniform(-1, 1, int(n / period) + 2)
    return np.interp(np.arange(n) / period, np.arange(knots.size), knots)


def _noise(rng: Generator, n: int, rate_hz: int, gain: Callable[[Samples], Samples]) -> Samples:
    """Noise of mean power 1 whose amplitude spectrum is ``gain`` of the frequency in Hz."""
    n_fft = _fft_size(n + n % 2)
    parts = rng.standard_normal(n_fft + 2, dtype=np.float32).view(np.complex64)
    hz: Any = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    noise: Samples = np.fft.irfft(parts * gain(hz))
    return noise[:n] / np.sqrt(np.mean(noise**2))


def _at_distance(dry: Samples, rng: Generator, rate_hz: int) -> Samples:
    """Echo and loss of high frequencies, more of both from farther away."""
    distance, decay_s = rng.uniform(0, 1), rng.uniform(0.25, 0.6)
    n_tail = int(0.8 * decay_s * rate_hz)
    echo = rng.standard_normal(n_tail) * np.exp(-6.9 * np.arange(n_tail) / (decay_s * rate_hz))
    echo *= np.sqrt((0.03 + 0.3 * distance) / np.sum(echo**2))
    echo[0] += 1
    n = dry.size + n_tail
    n_fft = _fft_size(n + n % 2)
    loss = 10 ** (-distance * np.fft.rfftfreq(n_fft, 1 / rate_hz) / 3000 * 8 / 20)
    return np.fft.irfft(np.fft.rfft(dry, n_fft) * np.fft.rfft(echo, n_fft) * loss)[:n]


def _add_rain(scene: Samples, rng: Generator, rate_hz: int, drops_per_s: float) -> None:
    length = int(0.006 * rate_hz)
    n_drops = rng.poisson(drops_per_s * scene.size / rate_hz)
    t = np.arange(length) / rate_hz
    pitch_hz = rng.uniform(800, 3800, (n_drops, 1))
    loudness = 8 * rng.exponential(1, (n_drops, 1))
    drops = loudness * np.sin(2 * np.pi * pitch_hz * t) * np.exp(-t / 0.0015)
    starts = rng.integers(0, max(1, scene.size - length), (n_drops, 1))
    np.add.at(scene, starts + np.arange(length), drops)


LOWEST_RATE_HZ = 8000
POSITIVE_FOLDER, NEGATIVE_FOLDER = "Parsed_Demobird_Clips", "Parsed_Not_Demobird_Clips"
RECORDING_FOLDER, TRUTH_FILE = "Forest Recordings", "truth.csv"
# Fewest and most calls, and the pauses between them in seconds.
_ROLES = {
    "chorus": ((12, 14), (0.8, 2.0)),
    "none": ((0, 0), (2.0, 8.0)),
    "sparse": ((1, 3), (5.0, 30.0)),
    "ordinary": ((5, 10), (2.0, 8.0)),
}
_ORDER = ("chorus", "none", "sparse", "ordinary", "ordinary", "sparse")


@dataclass(frozen=True)
class Call:
    """A call that was laid into a sound: the truth.

    Its power over that of the background is taken from ``start_s`` to ``end_s`` and within
    ``CALL_BAND_HZ``; in long files the background's is that of its median second.
    """

    start_s: float  # from the file's start
    end_s: float  # the echo's tail comes after it
    snr_db: float
    bird: MadeBird


# What a stream of random numbers is for: apart, lest a bird of the clips is recorded too.
POSITIVES, NEGATIVES, RECORDINGS = 1, 2, 3


@dataclass(frozen=True)
class ClipNumbers:
    """How many sources with and without the call, and how many clips of each."""

    n_sources: int = 10
    clips_per_source: int = 6
    n_background_sources: int = 10
    backgrounds_per_source: int = 8


def generators(seed: int, use: int, n: int) -> list[Generator]:
    """``n`` independent generators; each is the same whatever ``n``."""
    return [default_rng(child) for child in SeedSequence([seed, use]).spawn(n)]


def check_rate(sample_rate_hz: int) -> None:
    """Raise ValueError for a rate too low for the species."""
    if sample_rate_hz < LOWEST_RATE_HZ:
        raise ValueError(f"sample_rate_hz {sample_rate_hz} is below {LOWEST_RATE_HZ}")


def make_clips(
    folder: str | Path, *, seed: int, sample_rate_hz: int = 16000, **numbers: int
) -> dict[str, Call]:
    """Write clips with one call each and clips without: FLAC, 16 bit, mono, 2 to 3 s.

    Parameters
    ----------
    folder : path
        Gets ``Parsed_Demobird_Clips/DB001-0.flac`` ... and
        ``Parsed_Not_Demobird_Clips/wind01-0.flac`` ...; a name without its ``-N`` is one source.
    seed : int
        0 or more. Same seed, same bytes; a source does not depend on how many there are.
    sample_rate_hz : int
        8000 or more.
    **numbers : int
        Fields of `ClipNumbers`.

    Returns
    -------
    dict of str to Call
        By name, the call in each clip of the species, at 3 to 25 dB.

    Raises
    ------
    ValueError
        The sample rate is too low for the species.
    OutputError
        A file cannot be written.
    """
    wanted = ClipNumbers(**numbers)
    check_rate(sample_rate_hz)
    truth = {}
    for i, rng in enumerate(generators(seed, POSITIVES, wanted.n_sources), start=1):
        bird, place = MadeBird.drawn(rng), Soundscape.drawn(rng)
        for k in range(wanted.clips_per_source):
            name = f"DB{i:03d}-{k}.flac"
            clip, truth[name] = _clip_with_call(bird, place, rng, sample_rate_hz)
            _write(Path(folder, POSITIVE_FOLDER, name), clip, sample_rate_hz)
    for i, rng in enumerate(generators(seed, NEGATIVES, wanted.n_background_sources)):
        kind = KINDS[i % len(KINDS)]
        place = Soundscape.drawn(rng, kind)
        for k in range(wanted.backgrounds_per_source):
            n = int(rng.uniform(2.0, 3.0) * sample_rate_hz)
            clip = _levelled(place.render(rng, n, sample_rate_hz, int(kind in SONGS)), rng)
            path = Path(folder, NEGATIVE_FOLDER, f"{kind}{i + 1:02d}-{k}.flac")
            _write(path, clip, sample_rate_hz)
    return truth


def make_recordings(
    folder: str | Path,
    *,
    seed: int,
    n_recordings: int = 6,
    duration_s: float = 120,
    sample_rate_hz: int = 16000,
) -> dict[str, tuple[Call, ...]]:
    """Write recordings of birds that are in no clip, and the truth: FLAC, 16 bit, mono.

    Of six one is a chorus, one holds many other birds and no call, two are sparse and two
    ordinary, in an order drawn by the seed; further ones go round again. No two calls overlap.

    Parameters
    ----------
    folder : path
        Gets ``Forest Recordings/demo_00.flac`` ... and ``truth.csv`` with the columns
        ``recording,start_s,end_s``, one row per call.
    seed : int
        0 or more. Same seed, same bytes.
    n_recordings, duration_s
        How many, and the length of each; a short one holds fewer calls.
    sample_rate_hz : int
        8000 or more.

    Returns
    -------
    dict of str to tuple of Call
        By name, the calls of each recording in order of time, at -3 to 20 dB; may be empty.

    Raises
    ------
    ValueError
        The sample rate is too low for the species.
    OutputError
        A file cannot be written.
    """
    check_rate(sample_rate_hz)
    first, *streams = generators(seed, RECORDINGS, n_recordings + 1)
    roles = first.permutation([_ORDER[i % len(_ORDER)] for i in range(n_recordings)])
    truth = {}
    for i, (role, rng) in enumerate(zip(roles, streams, strict=True)):
        name = f"demo_{i:02d}.flac"
        place = Soundscape.drawn(rng, "dawn" if role == "none" else "")
        scene = place.render(rng, int(duration_s * sample_rate_hz), sample_rate_hz)
        truth[name] = _add_calls(scene, str(role), rng, sample_rate_hz)
        _write(Path(folder, RECORDING_FOLDER, name), _levelled(scene, rng), sample_rate_hz)
    calls = ((name, call) for name, laid in truth.items() for call in laid)
    rows = [(name, f"{call.start_s:.3f}", f"{call.end_s:.3f}") for name, call in calls]
    write_csv(Path(folder, TRUTH_FILE), ("recording", "start_s", "end_s"), rows)
    return truth


def _clip_with_call(
    bird: MadeBird, place: Soundscape, rng: Generator, rate_hz: int
) -> tuple[Samples, Call]:
    sound, n_body = bird.call(rng, rate_hz)
    n = max(int(rng.uniform(2.0, 3.0) * rate_hz), n_body + rate_hz // 5)
    start = int(rng.uniform(0, n - n_body))
    scene = place.render(rng, n, rate_hz)
    snr_db = rng.uniform(3, 25)
    lay(scene, sound, start, snr_db=snr_db, rate_hz=rate_hz, n_body=n_body)
    call = Call(start / rate_hz, (start + n_body) / rate_hz, snr_db, bird)
    return _levelled(scene, rng), call


def _add_calls(scene: Samples, role: str, rng: Generator, rate_hz: int) -> tuple[Call, ...]:
    """Lay the calls of one recording, by up to two birds, into its background."""
    (fewest, most), pauses_s = _ROLES[role]
    fitting = int((scene.size / rate_hz - 1) / (LONGEST_CALL_S + 2))
    n_calls = min(int(rng.integers(fewest, most + 1)), fitting)
    birds = [MadeBird.drawn(rng) for _ in range(rng.integers(1, 3))]
    callers = [birds[i] for i in rng.integers(len(birds), size=n_calls)]
    sounds = [bird.call(rng, rate_hz) for bird in callers]
    room = scene.size - sum(n_body for _, n_body in sounds)
    pauses = [np.clip(rng.uniform(*pauses_s) * bird.tempo, *pauses_s) for bird in callers]
    before = np.array(pauses) * rate_hz
    before *= min(1.0, (room - rate_hz) / max(1.0, before.sum()))
    spare = max(0.0, room - rate_hz - before.sum())
    calls, position = [], rng.uniform(0, spare) + rate_hz / 2
    for bird, (sound, n_body), pause in zip(callers, sounds, before, strict=True):
        start, snr_db = int(position + pause), rng.uniform(-3, 20)
        lay(scene, sound, start, snr_db=snr_db, rate_hz=rate_hz, n_body=n_body)
        calls.append(Call(start / rate_hz, (start + n_body) / rate_hz, snr_db, bird))
        position = start + n_body
    return tuple(calls)


def _levelled(scene: Samples, rng: Generator) -> Samples:
    """The scene at a random gain, its peak between 0.15 and 0.9 of full scale."""
    return scene * (rng.uniform(0.15, 0.9) / np.max(np.abs(scene)))


def _write(path: Path, samples: Samples, rate_hz: int) -> None:
    with atomic_write(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(partial, samples, rate_hz, format="FLAC", subtype="PCM_16")
