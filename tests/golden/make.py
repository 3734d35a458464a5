"""Make the golden results: what the shipped bundle finds in two short made recordings.

    PYTHONPATH=. python tests/golden/make.py

The calls are drawn after a capuchinbird's: a growl, then a stack of harmonics. ``sparse.wav`` holds
three of them at falling level and, as no calls, two pieces of one; ``chorus.wav`` two birds whose
calls follow closely. Run this after a change of the bundle that is meant to change counts, and say
so in the changelog under "Counts change".
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

RATE_HZ = 16_000
HERE = Path(__file__).resolve().parent
GROWL_S, STACK_S = 1.3, 2.2
STACK_HZ = 143.0
# Level of each harmonic from the third up, dB.
STACK_DB = (-22, -14, -4, -10, -2, -10, -9, 0, -14)
NOISE_LEVEL = 0.003
# Start in seconds and level over the noise in dB of whole calls, and of pieces (from, to).
SPARSE = ((6.0, 30.0), (21.0, 22.0), (40.0, 15.0))
SPARSE_PIECES = ((14.0, 22.0, 0.0, 0.9), (31.0, 22.0, 2.2, 3.2))
CHORUS = tuple((3.0 + 5.6 * i, 28.0 - 8.0 * (i % 2)) for i in range(7))

Sound = NDArray[np.float64]


def one_call(rng: np.random.Generator) -> Sound:
    """A growl and the harmonics after it, peak about 1."""
    n_growl, n_stack = int(GROWL_S * RATE_HZ), int(STACK_S * RATE_HZ)
    t = np.arange(n_growl) / RATE_HZ
    spectrum = np.fft.rfft(rng.standard_normal(n_growl))
    hz = np.fft.rfftfreq(n_growl, 1 / RATE_HZ)
    growl = np.fft.irfft(spectrum * np.exp(-(((hz - 700) / 140) ** 2)), n_growl)
    growl *= (1 + 0.8 * np.sin(2 * np.pi * 27 * t)) * np.linspace(0.3, 1, n_growl)
    growl *= 0.25 / np.abs(growl).max()
    t = np.arange(n_stack) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(STACK_HZ * (1 - 0.05 * (t / STACK_S) ** 4)) / RATE_HZ
    parts = [10 ** (db / 20) * np.sin(k * phase + k) for k, db in enumerate(STACK_DB, start=3)]
    stack = np.sum(parts, axis=0) * np.minimum(1, (STACK_S - t) / 0.2) / 3
    return np.concatenate([growl, stack])


def recording(
    duration_s: float,
    calls: tuple[tuple[float, float], ...],
    pieces: tuple[tuple[float, float, float, float], ...],
    seed: int,
) -> Sound:
    """Wind and insects with calls and pieces of calls laid over them."""
    rng = np.random.default_rng(seed)
    n_samples = int(duration_s * RATE_HZ)
    hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    noise = np.fft.irfft(
        np.fft.rfft(rng.standard_normal(n_samples)) / np.sqrt(np.maximum(hz, 50) / 1000), n_samples
    )
    t = np.arange(n_samples) / RATE_HZ
    insects = np.sin(2 * np.pi * 5200 * t) * (np.sin(2 * np.pi * 11 * t) > 0) * 0.5
    sound = NOISE_LEVEL * (noise + insects)
    whole = [(start_s, level_db, 0.0, GROWL_S + STACK_S) for start_s, level_db in calls]
    for start_s, level_db, from_s, to_s in (*whole, *pieces):
        part = one_call(rng)[int(from_s * RATE_HZ) : int(to_s * RATE_HZ)]
        first = int(start_s * RATE_HZ)
        sound[first : first + len(part)] += NOISE_LEVEL * 10 ** (level_db / 20) * part
    return sound


def write_recordings(folder: Path) -> None:
    """Write ``sparse.wav`` and ``chorus.wav``."""
    sounds = {
        "sparse.wav": recording(50.0, SPARSE, SPARSE_PIECES, seed=1),
        "chorus.wav": recording(45.0, CHORUS, (), seed=2),
    }
    for name, sound in sounds.items():
        sf.write(folder / name, sound, RATE_HZ, subtype="PCM_16")


def scan(folder: Path) -> tuple[str, str]:
    """Results and events of the recordings by the shipped bundle, as the command writes them."""
    from counter.bundle import shipped_path
    from counter.cli.main import run

    recordings, output = folder / "recordings", folder / "golden.csv"
    recordings.mkdir()
    write_recordings(recordings)
    given = ["scan", str(recordings), "-o", str(output), "--no-plots"]
    code = run([*given, "--model", str(shipped_path())])
    assert code == 0, code
    events = output.with_suffix("") / "events.csv"
    return output.read_text(encoding="utf-8"), events.read_text(encoding="utf-8")


def main() -> None:
    """Write the golden results beside this script and show them."""
    with tempfile.TemporaryDirectory() as folder:
        results, events = scan(Path(folder))
    (HERE / "counts.csv").write_text(results, encoding="utf-8")
    (HERE / "events.csv").write_text(events, encoding="utf-8")
    rows = list(csv.DictReader(events.splitlines()))
    sys.stdout.write(f"{results}{len(rows)} events\n")


if __name__ == "__main__":
    main()
