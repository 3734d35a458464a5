"""Small whole sound files of many kinds, made in memory, for ``fuzz.py`` to break.

Nothing to run here. A file is the same bytes each time it is made.
"""

from __future__ import annotations

import functools
import io
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.oggpages import join_pages, split_pages

_COMMENT = (
    "Recorded at 05:00:00 01/06/2021 (UTC) by AudioMoth 24F31901603710B6 at medium gain "
    "setting while battery state was 4.1V and temperature was 14.3C."
)
_GUANO = b"GUANO|Version:1.0\nSerial:SMA00646\nTimestamp:2020-10-17 13:05:00\nNote:\xff\xfe\0"
_WRITE_SAMPLES = 16_000  # libsndfile's Vorbis encoder overflows its stack on long pieces
_ID3_SIZE_BYTES = 4


@dataclass(frozen=True)
class Recipe:
    """How a whole file is made.

    Attributes
    ----------
    kind : str
        What it is counted as: ``wav``, ``flac``, ``mp3``, ``ogg`` or ``other``.
    suffix : str
        Ending of its name, without the dot.
    rate_hz, channels, n_samples : int
        Its sound; samples are per channel.
    subtype, container : str
        In libsndfile's words; the container of the suffix where none is given.
    tag : str
        ``comment``, ``guano``, ``bext`` or ``id3``; none where empty.
    options : dict
        More for ``soundfile.SoundFile``.
    """

    kind: str
    suffix: str
    rate_hz: int
    channels: int
    n_samples: int
    subtype: str
    container: str = ""
    tag: str = ""
    options: dict[str, Any] = field(default_factory=dict)


_CONSTANT = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}
_WAVS = (
    Recipe("wav", "wav", 48_000, 1, 24_000, "PCM_16", tag="comment"),
    Recipe("wav", "wav", 8000, 2, 90_000, "PCM_16"),
    Recipe("wav", "wav", 16_000, 1, 16_000, "PCM_16", tag="guano"),
    Recipe("wav", "wav", 24_000, 1, 40_000, "PCM_16", tag="bext"),
    Recipe("wav", "wav", 44_100, 2, 20_000, "PCM_24"),
    Recipe("wav", "wav", 8000, 1, 8000, "PCM_U8"),
    Recipe("wav", "wav", 250_000, 1, 50_000, "PCM_32"),
    Recipe("wav", "wav", 96_000, 1, 20_000, "FLOAT", tag="comment"),
    Recipe("wav", "wav", 22_050, 2, 12_000, "DOUBLE"),
    Recipe("wav", "wav", 8000, 1, 16_000, "ULAW"),
    Recipe("wav", "wav", 22_050, 1, 22_050, "IMA_ADPCM"),
    Recipe("wav", "wav", 22_050, 2, 22_050, "MS_ADPCM"),
    Recipe("wav", "wav", 8000, 1, 16_000, "GSM610"),
    Recipe("wav", "wav", 8000, 1, 16_000, "G721_32"),
    Recipe("wav", "wav", 16_000, 1, 16_000, "NMS_ADPCM_32"),
    Recipe("wav", "wav", 48_000, 6, 8000, "PCM_16", container="WAVEX"),
    Recipe("wav", "wav", 16_000, 64, 1000, "PCM_16", container="WAVEX"),
    Recipe("wav", "wav", 32_000, 1, 16_000, "PCM_16", container="RF64"),
)
_FLACS = (
    Recipe("flac", "flac", 48_000, 2, 24_000, "PCM_16", tag="comment"),
    Recipe("flac", "flac", 16_000, 1, 80_000, "PCM_16"),
    Recipe("flac", "flac", 96_000, 1, 30_000, "PCM_24"),
    Recipe("flac", "flac", 8000, 1, 8000, "PCM_S8"),
    Recipe("flac", "flac", 44_100, 8, 8000, "PCM_16"),
)
_MP3S = (
    Recipe("mp3", "mp3", 48_000, 2, 48_000, "MPEG_LAYER_III"),
    Recipe("mp3", "mp3", 44_100, 1, 60_000, "MPEG_LAYER_III", tag="comment", options=_CONSTANT),
    Recipe("mp3", "mp3", 32_000, 2, 32_000, "MPEG_LAYER_III", tag="id3"),
    Recipe("mp3", "mp3", 22_050, 1, 44_100, "MPEG_LAYER_III", options=_CONSTANT),
    Recipe("mp3", "mp3", 8000, 1, 40_000, "MPEG_LAYER_III", tag="id3"),
)
_OGGS = (
    Recipe("ogg", "ogg", 44_100, 2, 44_100, "VORBIS", tag="comment"),
    Recipe("ogg", "ogg", 8000, 1, 40_000, "VORBIS"),
    Recipe("ogg", "ogg", 48_000, 6, 16_000, "VORBIS"),
    Recipe("ogg", "opus", 48_000, 2, 48_000, "OPUS", container="OGG", tag="comment"),
    Recipe("ogg", "opus", 16_000, 1, 32_000, "OPUS", container="OGG"),
    Recipe("ogg", "oga", 16_000, 1, 32_000, "OPUS", container="OGG"),
)
_OTHERS = (
    Recipe("other", "aiff", 44_100, 2, 20_000, "PCM_16", tag="comment"),
    Recipe("other", "aif", 8000, 1, 16_000, "IMA_ADPCM"),
    Recipe("other", "au", 16_000, 1, 16_000, "PCM_16"),
    Recipe("other", "w64", 16_000, 2, 16_000, "PCM_16"),
    Recipe("other", "caf", 44_100, 1, 20_000, "PCM_16"),
    Recipe("other", "caf", 48_000, 2, 24_000, "ALAC_16"),
    Recipe("other", "nist", 16_000, 1, 16_000, "PCM_16"),
    Recipe("other", "voc", 16_000, 1, 16_000, "PCM_16"),
    Recipe("other", "svx", 8000, 1, 8000, "PCM_16"),
    Recipe("other", "paf", 16_000, 1, 16_000, "PCM_24"),
    Recipe("other", "xi", 44_100, 1, 20_000, "DPCM_16"),
    Recipe("other", "sds", 16_000, 1, 16_000, "PCM_16"),
)
RECIPES = {"wav": _WAVS, "flac": _FLACS, "mp3": _MP3S, "ogg": _OGGS, "other": _OTHERS}


@functools.cache
def whole_file(recipe_kind: str, index: int) -> bytes:
    """The file that recipe ``index`` of a kind makes."""
    recipe = RECIPES[recipe_kind][index]
    data = _encode(recipe)
    if recipe.tag in ("guano", "bext"):
        return _with_chunk(data, recipe.tag)
    return _with_id3(data) if recipe.tag == "id3" else data


def _encode(recipe: Recipe) -> bytes:
    memory = io.BytesIO()
    container = recipe.container or {"aif": "AIFF"}.get(recipe.suffix, recipe.suffix.upper())
    with soundfile.SoundFile(
        memory,
        "w",
        recipe.rate_hz,
        recipe.channels,
        recipe.subtype,
        format=container,
        **recipe.options,
    ) as file:
        if recipe.tag == "comment":
            file.comment, file.artist = _COMMENT, "AudioMoth 24F31901603710B6"
        sound = _sound(recipe)
        for start in range(0, len(sound), _WRITE_SAMPLES):
            file.write(sound[start : start + _WRITE_SAMPLES])
    return _without_chance(memory.getvalue())


def _sound(recipe: Recipe) -> NDArray[np.float32]:
    """A whistle in noise, with a second of dead air where there is room."""
    rng = np.random.default_rng(recipe.n_samples)
    sound = rng.uniform(-0.3, 0.3, (recipe.n_samples, recipe.channels))
    whistle = 0.4 * np.sin(2 * np.pi * 500 * np.arange(recipe.n_samples) / recipe.rate_hz)
    sound += whistle[:, None]
    if recipe.n_samples > 2.2 * recipe.rate_hz:
        sound[recipe.rate_hz : int(2.1 * recipe.rate_hz)] = 0
    return sound.astype(np.float32)


def _without_chance(data: bytes) -> bytes:
    """Put fixed values where libsndfile writes the time (PEAK) or a chance number (Ogg)."""
    if data[:4] == b"OggS":
        return join_pages(page.with_serial(4711) for page in split_pages(data))
    at = data.find(b"PEAK")
    return data if at < 0 else data[: at + 12] + bytes(4) + data[at + 16 :]


def _with_chunk(data: bytes, tag: str) -> bytes:
    """A WAV with a GUANO chunk at its end or a Broadcast WAV chunk at its beginning."""
    if tag == "guano":
        body = data[8:] + struct.pack("<4sI", b"guan", len(_GUANO)) + _GUANO
        body += b"\0" * (len(_GUANO) % 2)
    else:
        text = bytes(320) + b"2021-06-01" + b"05:00:00" + bytes(264)
        body = data[8:12] + struct.pack("<4sI", b"bext", len(text)) + text + data[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _with_id3(data: bytes) -> bytes:
    """An MP3 with ID3v2.4 before it (a comment and a picture of rubbish) and ID3v1 after it."""
    comment = b"\x03eng\0" + _COMMENT.encode()
    picture = b"\0image/png\0\3\0" + bytes(range(256)) * 12
    frames = b"".join(
        name + _syncsafe(len(content)) + b"\0\0" + content
        for name, content in ((b"COMM", comment), (b"APIC", picture))
    )
    old = b"TAG" + b"a title".ljust(125, b"\0")
    return b"ID3\x04\0\0" + _syncsafe(len(frames)) + frames + data + old


def _syncsafe(number: int) -> bytes:
    """ID3v2.4, section 6.2: seven bits a byte."""
    return bytes(number >> 7 * place & 127 for place in reversed(range(_ID3_SIZE_BYTES)))
