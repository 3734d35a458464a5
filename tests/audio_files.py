"""Sound files to read, whole, cut and edited."""

import struct

import numpy as np
import soundfile as sf

from counter.audio.stream import MonoStream

# What stands for the length of a WAV where its writer did not know it: SoX, SoX with blocks of 6
# bytes, arecord (two versions), LAME, ffmpeg; and the limits of others, less a header.
NO_LENGTH = [0x7FFFF000, 0x7FFFEFFC, 0x7FFFFF00, 0x80000000, 0x7FFFFFFF, 0xFFFFFFFF]
NO_LENGTH += [0x7FFF0000, 0x7FFFFFDB, 0x80000024, 0xFFFF0000, 0xFFFFFFDB, 0xFFFFFFFE]


def noise(n_samples, channels=1, seed=0):
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, (n_samples, channels))
    return sound.astype(np.float32)


def write(path, sound, rate_hz, **kind):
    """Write in pieces: libsndfile's Vorbis encoder overflows its stack on long ones."""
    with sf.SoundFile(path, "w", rate_hz, 1 if sound.ndim == 1 else sound.shape[1], **kind) as file:
        for start in range(0, len(sound), 16000):
            file.write(sound[start : start + 16000])
    return path


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def edit(path, *changes):
    data = bytearray(path.read_bytes())
    for at, code, value in changes:
        struct.pack_into(code, data, at, value)
    path.write_bytes(data)
    return path


def stereo_wav(folder):
    """Two seconds of 16-bit stereo at 8 kHz; the header is 44 bytes long."""
    return write(folder / "a.wav", noise(16000, 2), 8000, subtype="PCM_16")


def blocks_of(path, rate_hz, **options):
    with MonoStream(path, rate_hz, **options) as stream:
        return list(stream), stream
