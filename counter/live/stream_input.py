"""Stream input: raw samples or WAV from a pipe, as mono samples."""

from __future__ import annotations

import io
import struct
import threading
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from counter.audio.channels import Samples, downmix
from counter.audio.decoder import check_shape
from counter.audio.riff import FORM_BYTES, is_no_length, walk_chunks
from counter.errors import AudioError
from counter.live.capture import BLOCK_S, Capture
from counter.records import FloatArray

# Names as ffmpeg has them -> bytes of a sample.
SAMPLE_FORMATS = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}


@dataclass(frozen=True)
class SampleLayout:
    """Sample rate, channels and format of the bytes of a stream."""

    rate_hz: int
    channels: int  # one sample of each after the other
    sample_format: str  # one of ``SAMPLE_FORMATS``

    @property
    def step_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * SAMPLE_FORMATS[self.sample_format]

    def mono(self, data: bytes) -> tuple[FloatArray, int]:
        """Samples as mono, the mean of the channels, and how many were no sound.

        ``data`` is a whole number of steps, one at least.
        """
        block = _numbers(data, self.sample_format).reshape(-1, self.channels)
        out = np.empty(len(block), dtype=np.float32)
        return out, downmix(block, out)


def _numbers(data: bytes, sample_format: str) -> Samples:
    if sample_format == "s16le":
        return np.frombuffer(data, "<i2").astype(np.int16)
    if sample_format == "u8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if sample_format == "s24le":
        return _from_int32(_widened(data))
    if sample_format == "s32le":
        return _from_int32(np.frombuffer(data, "<i4"))
    kind = "<f4" if sample_format == "f32le" else "<f8"
    with np.errstate(over="ignore"):
        return np.frombuffer(data, kind).astype(np.float32)


def _widened(data: bytes) -> NDArray[np.int32]:
    """24 bit numbers as the upper bytes of 32 bit ones."""
    wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.reshape(-1).view("<i4")


def _from_int32(numbers: NDArray[np.int32]) -> FloatArray:
    return numbers.astype(np.float32) * np.float32(2.0**-31)


WAV = (b"RIFF", b"RF64")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS = {
    (_PCM, 1): "u8",
    (_PCM, 2): "s16le",
    (_PCM, 3): "s24le",
    (_PCM, 4): "s32le",
    (_FLOAT, 4): "f32le",
    (_FLOAT, 8): "f64le",
}
_MAX_CHUNK_BYTES = 1 << 24  # before the sound; a tag with a picture is smaller


class _Pipe:
    """A pipe read and moved forward as a file is."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._at = 0

    def read(self, n_bytes: int, /) -> bytes:
        """Exactly so many bytes, or fewer at the end."""
        found = b""
        while len(found) < n_bytes and (some := self._raw.read(n_bytes - len(found))):
            found += some
        self._at += len(found)
        return found

    def seek(self, place: int, /) -> int:
        """Read up to a place, or to the end."""
        self.read(place - self._at)
        return self._at


def _read_head(pipe: _Pipe, form: bytes) -> tuple[SampleLayout, int | None]:
    """Layout and bytes of the sound of a WAV, read up to its first sample; none if not known."""
    if len(form) < FORM_BYTES:
        raise AudioError("ends within its header")
    if form[8:] != b"WAVE":
        raise AudioError("is no WAV: its header does not say WAVE")
    layout = None
    for chunk in walk_chunks(pipe, form):
        if chunk.name == b"data":
            if layout is None:
                raise AudioError("has a damaged header: it does not say what the samples are")
            return layout, None if is_no_length(chunk.n_bytes) else chunk.n_bytes
        if chunk.n_bytes > _MAX_CHUNK_BYTES:
            raise AudioError(f"has a damaged header: {chunk.n_bytes} bytes before the sound")
        if chunk.name == b"fmt " and len(body := pipe.read(chunk.n_bytes)) == chunk.n_bytes:
            layout = _parse_format(body)
    raise AudioError("ends within its header")


def _parse_format(body: bytes) -> SampleLayout:
    if len(body) < 16:
        raise AudioError("has a damaged header: too little about the samples")
    kind, channels, rate_hz, _, step_bytes, _ = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = struct.unpack_from("<H", body, 24)[0]
    found = _KINDS.get((kind, step_bytes // max(channels, 1)))
    if found is None or step_bytes % max(channels, 1):
        known = ", ".join(SAMPLE_FORMATS)
        raise AudioError(f"holds WAV samples of another kind (0x{kind:04x}) than {known}")
    return SampleLayout(rate_hz, channels, found)


_RAW_CHANNELS, _RAW_FORMAT = 1, "s16le"


@dataclass(frozen=True)
class Expected:
    """Rate, channels and format that the user states of a stream; ``None`` where not stated."""

    rate_hz: int | None = None
    channels: int | None = None
    sample_format: str | None = None  # one of ``SAMPLE_FORMATS``


class StreamSource:
    """Source of mono blocks from a stream, as fast as they are taken, so that nothing is lost.

    The stream is unbuffered, at its beginning; ``name`` is for tables and messages. Raw samples
    need the expected ``rate_hz``; what a WAV says must agree.

    Raises
    ------
    AudioError
        Nothing comes, it is neither WAV nor said to be raw, or not as expected; names no stream.
    """

    begun: datetime | None = None  # a stream may be of any time

    def __init__(self, raw: io.RawIOBase, name: str, expected: Expected) -> None:
        self.name = name
        self._raw = raw
        pipe = _Pipe(raw)
        form = pipe.read(FORM_BYTES)
        if not form:
            raise AudioError("gave no sound: it was empty")
        self._left_bytes: int | None = None
        self._unread = self._rest = b""
        if form[:4] in WAV:
            self._layout, self._left_bytes = _read_head(pipe, form)
            _check_agrees(self._layout, expected)
        else:
            self._layout, self._unread = _raw_layout(expected), form
        check_shape(self._layout.rate_hz, self._layout.channels)
        self.rate_hz = self._layout.rate_hz
        self.n_nonfinite = 0

    def start(self, capture: Capture) -> None:
        """Read on a thread that ends with the stream, with the capture, or with the program."""
        threading.Thread(target=self._record, args=(capture,), daemon=True, name="record").start()

    def check(self) -> None:
        """A stream may pause for as long as it likes."""

    def stop(self) -> None:
        """The thread reads no more once its capture is over."""

    def _record(self, capture: Capture) -> None:
        step = self._layout.step_bytes
        wanted = max(1, int(self.rate_hz * BLOCK_S)) * step
        try:
            while not capture.is_over and (data := self._next_bytes(wanted)):
                data = self._rest + data
                n_whole = len(data) // step * step
                self._rest = data[n_whole:]
                if n_whole:
                    mono, n_bad = self._layout.mono(data[:n_whole])
                    self.n_nonfinite += n_bad
                    capture.put(mono)
        except OSError as error:
            capture.end(failure=f"{self.name} cannot be read: {error.strerror or error}")
        capture.end(note=self._note())

    def _next_bytes(self, wanted: int) -> bytes:
        """Bytes that are there, at most so many; none at the end."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        if self._left_bytes is not None:
            wanted = min(wanted, self._left_bytes)
        data = (self._raw.read(wanted) or b"") if wanted else b""
        if self._left_bytes is not None:
            self._left_bytes -= len(data)
        return data

    def _note(self) -> str:
        notes = []
        if self._left_bytes:
            lost_s = self._left_bytes / self._layout.step_bytes / self.rate_hz
            notes.append(f"it ended {lost_s:.1f} s before its header says")
        if self._rest:
            notes.append("it ended within a sample, which is left out")
        if self.n_nonfinite:
            notes.append(f"{self.n_nonfinite} NaN or infinite samples were taken as 0")
        return "; ".join(notes)


def _raw_layout(expected: Expected) -> SampleLayout:
    if expected.rate_hz is None:
        raise AudioError(
            "is no WAV.", "For raw samples give --rate, and --channels and --sample-format."
        )
    return SampleLayout(
        expected.rate_hz,
        expected.channels or _RAW_CHANNELS,
        expected.sample_format or _RAW_FORMAT,
    )


def _check_agrees(found: SampleLayout, expected: Expected) -> None:
    for option, said, given in (
        ("--rate", found.rate_hz, expected.rate_hz),
        ("--channels", found.channels, expected.channels),
        ("--sample-format", found.sample_format, expected.sample_format),
    ):
        if given is not None and given != said:
            raise AudioError(
                f"is a WAV that says {said}, but {option} says {given}.",
                "Leave the option out: a WAV says it itself.",
            )
