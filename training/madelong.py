"""Made files of any length with calls at given times, by seed: for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.random import Generator
from numpy.typing import NDArray

from counter.output.paths import atomic_write
from training.madebirds import LONGEST_CALL_S, MadeBird, Samples, Soundscape, band_power, gain_to
from training.madesound import Call, Use, check_rate, generators

_BANK_S, _FADE_S = 60, 0.25


def write_long(
    path: str | Path,
    *,
    duration_s: float,
    sample_rate_hz: int,
    call_times_s: Sequence[float],
    seed: int,
) -> tuple[Call, ...]:
    """Write a long file with calls at given times, in blocks, so that a day fits in memory.

    A minute of background is made once and laid end to end in random pieces of 5 to 15 s that
    fade into one another. The format follows the name (``.wav``, ``.flac``, ``.mp3`` ...), mono,
    16 bit where the format has a depth; a WAV file over 4 GB becomes RF64.

    Parameters
    ----------
    path : path
        The file, replaced where it is there.
    duration_s : float
        Its length, exact to the sample.
    sample_rate_hz : int
        8000 or more.
    call_times_s : sequence of float
        Starts of the calls, ascending, ``LONGEST_CALL_S`` or more apart and from the end.
    seed : int
        0 or more. Same seed, same bytes.

    Returns
    -------
    tuple of Call
        One for each time, at 3 to 20 dB over the median second of background.

    Raises
    ------
    ValueError
        The sample rate is too low, or the call times overlap or leave the file.
    OutputError
        The file cannot be written.
    """
    check_rate(sample_rate_hz)
    edges = np.array([-LONGEST_CALL_S, *call_times_s, duration_s])
    if len(call_times_s) and np.any(np.diff(edges) < LONGEST_CALL_S - 1e-6):
        raise ValueError(f"call times must be {LONGEST_CALL_S} s apart and from the end")
    path, n_left = Path(path), round(duration_s * sample_rate_hz)
    kind = path.suffix[1:].upper()
    if kind == "WAV" and n_left * 2 > 2**32 - 4096:
        kind = "RF64"
    calls: list[Call] = []
    with atomic_write(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        with sf.SoundFile(partial, "w", sample_rate_hz, 1, format=kind) as file:
            for block in _long_blocks(call_times_s, calls, sample_rate_hz, seed):
                file.write(block[:n_left])
                n_left -= block.size
                if n_left <= 0:
                    break
    return tuple(calls)


def _long_blocks(
    call_times_s: Sequence[float], calls: list[Call], rate_hz: int, seed: int
) -> Iterator[NDArray[np.float32]]:
    """Background without end, with the calls; each call is noted in ``calls`` when it starts."""
    rng, birds_rng, call_rng = generators(seed, Use.LONG, 3)
    bank = Soundscape.drawn(rng).render(rng, _BANK_S * rate_hz, rate_hz)
    bank *= 0.03 / np.sqrt(np.mean(bank**2))
    seconds = bank.reshape(_BANK_S, rate_hz)
    # The median: the mean would be that of the loudest songs.
    noise_power = float(np.median([band_power(second, rate_hz) for second in seconds]))
    birds = [MadeBird.drawn(birds_rng) for _ in range(8)]
    starts = [round(time_s * rate_hz) for time_s in call_times_s]
    position, tail = 0, np.zeros(0)
    for piece in _pieces(bank.astype(np.float32), rng, int(_FADE_S * rate_hz)):
        while len(calls) < len(starts) and starts[len(calls)] < position + piece.size:
            start, bird = starts[len(calls)], birds[call_rng.integers(len(birds))]
            sound, n_body = bird.call(call_rng, rate_hz)
            snr_db = call_rng.uniform(3, 20)
            gain = gain_to(sound[:n_body], rate_hz, snr_db, noise_power)
            calls.append(Call(start / rate_hz, (start + n_body) / rate_hz, snr_db, bird))
            tail = _sum(tail, gain * sound, start - position)
        mixed = _sum(piece, tail, 0)
        yield np.clip(mixed[: piece.size], -0.99, 0.99).astype(np.float32)
        tail, position = mixed[piece.size :], position + piece.size


def _sum(left: NDArray, right: Samples, at: int) -> Samples:
    """Two sounds, the right one later by ``at`` samples; as long as both need."""
    total = np.zeros(max(left.size, at + right.size if right.size else 0))
    total[: left.size] = left
    total[at : at + right.size] += right
    return total


def _pieces(
    bank: NDArray[np.float32], rng: Generator, n_fade: int
) -> Iterator[NDArray[np.float32]]:
    """Random pieces of the bank, each faded into the next at equal power, without end."""
    rise = np.sin(np.linspace(0, np.pi / 2, n_fade, dtype=np.float32))
    fading = bank[:n_fade]
    while True:
        n = int(rng.uniform(1 / 12, 1 / 4) * bank.size)
        start = rng.integers(0, bank.size - n - n_fade)
        piece = bank[start : start + n].copy()
        piece[:n_fade] = piece[:n_fade] * rise + fading * rise[::-1]
        fading = bank[start + n : start + n + n_fade]
        yield piece
