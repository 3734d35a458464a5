"""Made clips and recordings with known calls, by seed: for ``callcount demo`` and the tests.

The same seed gives the same bytes with the same versions of numpy and libsndfile.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.random import Generator, SeedSequence, default_rng

from counter.output.paths import atomic_write
from training.madebirds import KINDS, LONGEST_CALL_S, SONGS, MadeBird, Samples, Soundscape, lay

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


class Use(IntEnum):
    """What a stream of random numbers is for: apart, lest a bird of the clips is recorded too."""

    POSITIVES = 1
    NEGATIVES = 2
    RECORDINGS = 3
    LONG = 4


@dataclass(frozen=True)
class ClipNumbers:
    """How many sources with and without the call, and how many clips of each."""

    n_sources: int = 10
    clips_per_source: int = 6
    n_background_sources: int = 10
    backgrounds_per_source: int = 8


def generators(seed: int, use: Use, n: int) -> list[Generator]:
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
    for i, rng in enumerate(generators(seed, Use.POSITIVES, wanted.n_sources), start=1):
        bird, place = MadeBird.drawn(rng), Soundscape.drawn(rng)
        for k in range(wanted.clips_per_source):
            name = f"DB{i:03d}-{k}.flac"
            clip, truth[name] = _clip_with_call(bird, place, rng, sample_rate_hz)
            _write(Path(folder, POSITIVE_FOLDER, name), clip, sample_rate_hz)
    for i, rng in enumerate(generators(seed, Use.NEGATIVES, wanted.n_background_sources)):
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
    first, *streams = generators(seed, Use.RECORDINGS, n_recordings + 1)
    roles = first.permutation([_ORDER[i % len(_ORDER)] for i in range(n_recordings)])
    truth = {}
    for i, (role, rng) in enumerate(zip(roles, streams, strict=True)):
        name = f"demo_{i:02d}.flac"
        place = Soundscape.drawn(rng, "dawn" if role == "none" else "")
        scene = place.render(rng, int(duration_s * sample_rate_hz), sample_rate_hz)
        truth[name] = _add_calls(scene, str(role), rng, sample_rate_hz)
        _write(Path(folder, RECORDING_FOLDER, name), _levelled(scene, rng), sample_rate_hz)
    _write_truth(Path(folder, TRUTH_FILE), truth)
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


def _write_truth(path: Path, truth: dict[str, tuple[Call, ...]]) -> None:
    with atomic_write(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("recording", "start_s", "end_s"))
            for name, calls in truth.items():
                table.writerows((name, f"{c.start_s:.3f}", f"{c.end_s:.3f}") for c in calls)


def _write(path: Path, samples: Samples, rate_hz: int) -> None:
    with atomic_write(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(partial, samples, rate_hz, format="FLAC", subtype="PCM_16")
