"""Long recordings made on the spot from the sound of the shared forest recordings, tiled.

Nothing to run here; ``speed.py`` and ``memory.py`` make their files with it and delete them.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.common import forest_recordings

MARGIN_BYTES = 2_000_000_000


def need_space(folder: Path, n_bytes: int) -> None:
    """Leave with a message unless ``n_bytes`` fit on the disk of ``folder`` with 2 GB to spare."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < n_bytes + MARGIN_BYTES:
        sys.exit(
            f"{folder} has {free_bytes / 1e9:.1f} GB free; {(n_bytes + MARGIN_BYTES) / 1e9:.1f} GB "
            "are needed. Set TMPDIR to a folder with more."
        )


def write_wav(path: Path, *, rate_hz: int, duration_s: int, n_tiles: int = 5) -> None:
    """Write 16 bit mono WAV: the first ``n_tiles`` recordings one after another, over and over."""
    tiles = [_mono(source, rate_hz) for source in forest_recordings()[:n_tiles]]
    left = rate_hz * duration_s
    need_space(path.parent, left * 2)
    with soundfile.SoundFile(path, "w", rate_hz, 1, "PCM_16") as file:
        for tile in itertools.cycle(tiles):
            file.write(tile[:left])
            left -= len(tile[:left])
            if left == 0:
                return


def write_mp3(path: Path, *, duration_s: int) -> None:
    """Write 48 kHz stereo mp3 of constant bitrate, of at least ``duration_s``.

    Encoding runs at about 25 times real time, so two recordings are encoded once and the file's
    frames repeated, which a constant bitrate allows; its first frame, which may tell the length
    of the short file, is left out.
    """
    sources = forest_recordings()[:2]
    rate_hz = soundfile.info(sources[0]).samplerate
    # soundfile passes the bitrate mode over unless a compression level is given too
    constant: dict[str, Any] = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}
    with soundfile.SoundFile(
        path, "w", rate_hz, 2, "MPEG_LAYER_III", format="MP3", **constant
    ) as file:
        for source in sources:
            file.write(soundfile.read(source, dtype="int16", always_2d=True)[0])
    once_s = soundfile.info(path).duration
    data = path.read_bytes()
    frames = data[data.index(data[:3], 3) :]
    n_copies = int(-(-duration_s // once_s)) + 1
    need_space(path.parent, len(frames) * n_copies)
    path.write_bytes(frames * n_copies)
    made_s = soundfile.info(path).duration
    if not duration_s <= made_s <= duration_s + 2 * once_s:
        sys.exit(f"{path.name} is {made_s:.0f} s long instead of about {duration_s} s.")


def split_wav(path: Path, folder: Path, *, n_parts: int) -> Sequence[Path]:
    """Cut a WAV into equal parts (the rest at the end is left out), written into ``folder``."""
    rate_hz = soundfile.info(path).samplerate
    n_samples = soundfile.info(path).frames // n_parts
    parts = [folder / f"part_{number:02}.wav" for number in range(n_parts)]
    for part, block in zip(parts, soundfile.blocks(path, n_samples, dtype="int16"), strict=False):
        soundfile.write(part, block, rate_hz, "PCM_16")
    return parts


def _mono(path: Path, rate_hz: int) -> NDArray[np.int16]:
    sound, from_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), from_hz, rate_hz)
    return np.round(np.clip(mono, -1, 1) * np.iinfo(np.int16).max).astype(np.int16)
