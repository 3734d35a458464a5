"""WAV files with the headers that recorders write."""

import struct

import numpy as np

RATE_HZ = 8000

# Firmware 1.4.4, a recording of the AudioMoth (the form is that of the maker's main.c).
AUDIOMOTH = (
    "Recorded at 05:00:00 01/06/2021 (UTC{zone}) by AudioMoth 24F31901603710B6 at medium gain "
    "setting while battery state was 4.1V and temperature was 14.3C."
)
# Song Meter Mini: the blank instead of T and the offset of one digit are the maker's.
GUANO = (
    "GUANO|Version:1.0\nFirmware Version:1.1\nMake:Wildlife Acoustics, Inc.\n"
    "Model:Song Meter Mini\nSerial:SMA00646\nWA|Song Meter|Prefix:SMA00646\n"
    'WA|Song Meter|Audio settings:[{{"rate":24000,"gain":18}}]\nLength:300.000\n'
    "Original Filename:SMA00646_20201017_130500.wav\nTimestamp:{timestamp}\n"
    "Loc Position:54.75656 -1.59106\nTemperature Int:21.25\nSamplerate:24000 \0"
)


def chunk(name, content):
    """A RIFF chunk, padded to an even length."""
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def info(**texts):
    """A LIST chunk of texts, as ``ICMT="..."``; padded with zeros as AudioMoth does."""
    parts = [chunk(key.encode(), text.encode().ljust(384, b"\0")) for key, text in texts.items()]
    return chunk(b"LIST", b"INFO" + b"".join(parts))


def bext(date, time):
    """A Broadcast WAV chunk, version 1 of EBU Tech 3285."""
    content = b"a description".ljust(256, b"\0") + b"Zoom H4n".ljust(32, b"\0") + b"\0" * 32
    return chunk(b"bext", content + date.encode() + time.encode() + b"\0" * (602 - 338))


def write_wav(path, *, before=b"", after=b"", sound=None, rate_hz=RATE_HZ):
    """A 16 bit mono WAV with chunks before and after its sound; noise where none is given."""
    if sound is None:
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, rate_hz)
    data = (np.asarray(sound) * 32767).astype("<i2").tobytes()
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16))
    body = b"WAVE" + form + before + chunk(b"data", data) + after
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path
