"""Decoder of sound files by libsndfile: opened, described, read in one pass and past damage."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import soundfile as sf

from counter.audio.channels import Samples
from counter.audio.resync import flac_rest, mp3_rest, mp3_unread_bytes
from counter.audio.riff import ByteFile
from counter.errors import AudioError
from counter.storage.file_names import system_path

_RATES_HZ = range(1000, 1_000_001)
_MAX_CHANNELS = 64
_MAX_ERRORS = 1000  # places where decoding is taken up again; an MP3 gives one per kB of rubbish

_REASONS = {  # libsndfile's error numbers, in plain words
    1: "not sound: no format that can be read",
    7: "begins as MP3, but no frame of it could be decoded",
    24: "claims 0 Hz or another impossible sample rate or channel count",
    32: "claims 0 channels",
    33: "claims more than 1024 channels",
}


@dataclass(frozen=True)
class AudioInfo:
    """Format, rate, channels and length that a sound file claims."""

    path: str
    # container and encoding in libsndfile's words, such as ``WAV`` and ``PCM_16``
    format: str
    subtype: str
    sample_rate_hz: int  # 1000 to 1,000,000
    channels: int  # 1 to 64
    # samples per channel that the file claims; 0 where it does not say. An estimate for an MP3
    # without a length header
    n_samples: int

    @property
    def duration_s(self) -> float:
        """``n_samples`` in seconds."""
        return self.n_samples / self.sample_rate_hz


@contextmanager
def io_errors(what: str) -> Iterator[None]:
    """Make an error of the file system an ``AudioError``, one line that begins with ``what``."""
    try:
        yield
    except OSError as error:
        raise AudioError(f"{what}: {(error.strerror or str(error)).lower()}") from error


@io_errors("cannot be opened")
def open_raw(path: str) -> io.FileIO:
    """Open a file of this machine for its bytes.

    Raises
    ------
    AudioError
        It is a folder, a pipe or the like, empty, or cannot be opened.
    """
    path = system_path(path)
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        os.listdir(path)
        raise AudioError("a folder, not a sound file")
    if not stat.S_ISREG(found.st_mode):
        raise AudioError("not a regular file")
    if not found.st_size:
        raise AudioError("empty file")
    return io.FileIO(path)


class _ForwardFile(sf.SoundFile):
    """A sound file read in one pass.

    soundfile seeks after every read of a seekable file, which changes the last bit of some MP3s
    and fails where the length is unknown.
    """

    def seekable(self) -> bool:
        return False


def open_sound(source: io.RawIOBase | io.BufferedReader | int) -> sf.SoundFile:
    """Open a sound file, or one by its number, for one pass; the caller closes what it opened.

    Raises
    ------
    AudioError
        libsndfile cannot read it as sound.
    """
    try:
        return _ForwardFile(source, closefd=False)
    except sf.LibsndfileError as error:
        why = error.error_string.strip().rstrip(".").removeprefix("Error : ")
        raise AudioError(_REASONS.get(error.code, f"not readable as sound: {why}")) from error


def describe(path: str, file: sf.SoundFile) -> AudioInfo:
    """Format, rate, channels and length that an open sound file claims, as libsndfile reads it.

    Raises
    ------
    AudioError
        No samples, a sample rate or channel count out of range, or a format that is not read.
    """
    if file.format == "SDS":  # libsndfile makes up the sound that a short one does not hold
        raise AudioError("a MIDI sample dump (SDS), which is not read; save it as WAV")
    rate_hz, channels, n_samples = file.samplerate, file.channels, file.frames
    check_shape(rate_hz, channels)
    if not n_samples:
        raise AudioError("holds no sound: 0 samples")
    if n_samples > 2**48:  # libsndfile's "unknown"
        n_samples = 0
    return AudioInfo(path, file.format, file.subtype, rate_hz, channels, n_samples)


def check_shape(rate_hz: int, channels: int) -> None:
    """Check that a sample rate and a number of channels can be scanned.

    Raises
    ------
    AudioError
        One of them is out of range.
    """
    if not 1 <= channels <= _MAX_CHANNELS:
        raise AudioError(f"claims {channels} channels; 1 to {_MAX_CHANNELS} can be read")
    if rate_hz not in _RATES_HZ:
        raise AudioError(f"claims {rate_hz} Hz; {_RATES_HZ[0]} to {_RATES_HZ[-1]} can be read")


class SoundReader:
    """Reader of a sound file's samples in one pass, resynchronised past damage.

    ``raw`` has the bytes of ``file``, and its place is that of the decoder.
    """

    def __init__(self, raw: ByteFile, file: sf.SoundFile) -> None:
        self.n_read_samples = 0  # per channel
        self.n_errors = 0  # places where something was left out
        self._raw = raw
        self._file = file
        self._n_before_file = 0  # samples read when the file, or the rest of it, was opened
        self._is_stuck = False

    def close(self) -> None:
        """Close the file, but not ``raw``."""
        self._file.close()

    def seek(self, sample: int) -> None:
        """Go to a sample, before the first is read; only of formats that say where each is.

        Raises
        ------
        AudioError
            The file does not hold it, or is damaged on the way.
        """
        try:
            self._file.seek(sample)
        except sf.LibsndfileError as error:
            raise AudioError(f"sample {sample} cannot be reached") from error
        self.n_read_samples = sample

    def read(self, out: Samples) -> int:
        """Decode into an array, shape (n_samples, n_channels); the samples read, 0 at the end.

        Damage cuts a read short.
        """
        n_read = self._read(out)
        self.n_read_samples += n_read
        return n_read

    def _read(self, out: Samples) -> int:
        while self.n_errors < _MAX_ERRORS and not (self._is_stuck and not self._begin_anew()):
            try:
                n_read = len(self._file.read(out=out, fill_value=None))
                is_mp3 = self._file.format == "MP3"
                self._is_stuck = is_mp3 and not n_read and mp3_unread_bytes(self._raw) > 0
                if not self._is_stuck:
                    return n_read
            except sf.LibsndfileError:
                self.n_errors += 1
                n_before_error = self._file.tell() - (self.n_read_samples - self._n_before_file)
                self._is_stuck = self._file.format == "FLAC" and n_before_error < len(out)
                if 0 < n_before_error <= len(out):
                    return int(n_before_error)
        return 0

    def _begin_anew(self) -> bool:
        """Open the rest of an MP3 or FLAC behind what was read; False where there is none."""
        is_mp3, kind = self._file.format == "MP3", (self._file.samplerate, self._file.channels)
        rest = mp3_rest(self._raw, *kind) if is_mp3 else flac_rest(self._raw)
        if rest is None:
            return False
        self._file.close()
        self._file = open_sound(rest)
        self.n_errors += is_mp3  # that of a FLAC is counted
        self._n_before_file, self._is_stuck = self.n_read_samples, False
        return True
