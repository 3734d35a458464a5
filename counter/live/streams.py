"""Sound from a pipe: raw samples, or WAV as it is written."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from datetime import datetime

from counter.errors import AudioError
from counter.live.capture import BLOCK_S, Capture
from counter.live.samples import Layout
from counter.live.wavhead import MAGIC_BYTES, WAV, read_head
from counter.soundfiles import check_shape

_RAW_CHANNELS, _RAW_FORMAT = 1, "s16le"


@dataclass(frozen=True)
class Expected:
    """What the user says of a stream; ``None`` where nothing is said.

    Attributes
    ----------
    rate_hz, channels : int or None
        Samples per second, and channels.
    sample_format : str or None
        One of ``formatnames.SAMPLE_FORMATS``.
    """

    rate_hz: int | None = None
    channels: int | None = None
    sample_format: str | None = None


class StreamSource:
    """Blocks of a stream; as fast as they are taken, so that nothing is lost here.

    Parameters
    ----------
    raw : io.RawIOBase
        The stream, unbuffered, at its beginning.
    name : str
        For tables and messages.
    expected : Expected
        Raw samples need ``rate_hz``; what a WAV says must agree.

    Raises
    ------
    AudioError
        Nothing comes, it is neither WAV nor said to be raw, or not as expected; names no stream.
    """

    begun: datetime | None = None  # a stream may be of any time

    def __init__(self, raw: io.RawIOBase, name: str, expected: Expected) -> None:
        self.name = name
        self._raw = raw
        magic = self._read(MAGIC_BYTES)
        if not magic:
            raise AudioError("gave no sound: it was empty")
        self._left_bytes: int | None = None
        self._unread = self._rest = b""
        if magic in WAV:
            head = read_head(self._read, magic)
            self._layout, self._left_bytes = head.layout, head.n_bytes
            _check_agrees(self._layout, expected)
        else:
            self._layout, self._unread = _raw_layout(expected), magic
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
            while not capture.is_over and (data := self._some(wanted)):
                data = self._rest + data
                n_whole = len(data) // step * step
                self._rest = data[n_whole:]
                if n_whole:
                    mono, n_bad = self._layout.mono(data[:n_whole])
                    self.n_nonfinite += n_bad
                    capture.put(mono)
        except OSError as error:
            capture.end(failure=f"{self.name} cannot be read: {error.strerror or error}")
        capture.end(note=self._odd())

    def _some(self, wanted: int) -> bytes:
        """What is there, at most so many bytes; none at the end."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        if self._left_bytes is not None:
            wanted = min(wanted, self._left_bytes)
        data = (self._raw.read(wanted) or b"") if wanted else b""
        if self._left_bytes is not None:
            self._left_bytes -= len(data)
        return data

    def _odd(self) -> str:
        notes = []
        if self._left_bytes:
            lost_s = self._left_bytes / self._layout.step_bytes / self.rate_hz
            notes.append(f"it ended {lost_s:.1f} s before its header says")
        if self._rest:
            notes.append("it ended within a sample, which is left out")
        if self.n_nonfinite:
            notes.append(f"{self.n_nonfinite} NaN or infinite samples were taken as 0")
        return "; ".join(notes)

    def _read(self, n_bytes: int) -> bytes:
        """Exactly so many bytes, or fewer at the end."""
        found = b""
        while len(found) < n_bytes and (some := self._raw.read(n_bytes - len(found))):
            found += some
        return found


def _raw_layout(expected: Expected) -> Layout:
    if expected.rate_hz is None:
        raise AudioError(
            "is no WAV.", "For raw samples give --rate, and --channels and --sample-format."
        )
    return Layout(
        expected.rate_hz,
        expected.channels or _RAW_CHANNELS,
        expected.sample_format or _RAW_FORMAT,
    )


def _check_agrees(found: Layout, expected: Expected) -> None:
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
