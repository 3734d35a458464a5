"""Mono stream of a sound file: decoded, downmixed and resampled in blocks, in one pass."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from counter.audio.channels import DeadAir, Samples, downmix
from counter.audio.decoder import AudioInfo, SoundReader, describe, io_errors, open_raw, open_sound
from counter.audio.resample import Segmentation, SegmentPiece, SegmentResampler
from counter.audio.resync import mp3_states_length, mp3_unread_bytes, ogg_ends
from counter.audio.riff import patched, read_chunks, read_extent
from counter.errors import AudioError
from counter.records import FloatArray, Tags
from counter.storage.reader import RemoteFile, open_url
from counter.storage.urls import is_url

_READ_SAMPLES = 32_768  # fits the cache, and a fixed grid: damage costs the same in any block
_MAX_BLOCK_SAMPLES = 4_000_000  # 16 MB of float32, whatever a header claims
# Formats that give from any sample on what they give in one pass.
_EXACT = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC")
# A length may leave out the encoder's padding: two MP3 frames, 0.05 s at 48, 0.1 s at 11 kHz.
_LOSSY_TOLERANCE_S = 0.1


class MonoStream:
    """Mono float32 blocks of a sound file at one sample rate, in one forward pass.

    Channels are averaged; soxr (HQ) resamples. The concatenated blocks do not depend on
    ``block_s``, bit for bit, and are ``timebase.resampled_length(n_read_samples, ...)`` long.
    A context manager and an iterator, for one pass.

    Parameters
    ----------
    path : str or Path
        The file, or its URL.
    sample_rate_hz : int
        Rate of the blocks, > 0.
    block_s : float
        Seconds in a block, > 0; roughly, as blocks are whole reads of 32,768 samples.

    Attributes
    ----------
    info : AudioInfo
        What the file claims; from entering on.
    n_read_samples : int
        Samples per channel decoded so far, at the file's rate; a block ahead of those given out.
    n_nonfinite : int
        NaN or infinite samples so far, over all channels, those over 1e10 times full scale
        included; they count as 0.
    truncated : bool
        Less could be read than the file was meant to hold; final after the last block.
    message : str
        What was wrong, in one line without the file's name; final after the last block.

    Raises
    ------
    AudioError
        On entering, for what cannot be read at all; after the last block, where none of the
        samples claimed could be decoded. Neither message names the file.
    """

    info: AudioInfo

    def __init__(self, path: str | Path, sample_rate_hz: int, *, block_s: float = 10.0) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.block_s = block_s
        self.n_read_samples = 0
        self.n_nonfinite = 0
        self.truncated = False
        self.message = ""
        self._path = os.fspath(path)
        self._thread: ThreadPoolExecutor | None = None

    def __enter__(self) -> MonoStream:
        self._raw = open_url(self._path) if is_url(self._path) else open_raw(self._path)
        with ExitStack() as on_error, io_errors("cannot be read"):
            on_error.callback(self._raw.close)
            self._extent = read_extent(self._raw)
            try:
                self._file = open_sound(patched(self._raw, self._extent))
            finally:
                self._check_source()
            info = describe(self._path, self._file)
            self.info = replace(info, n_samples=self._extent.claimed_samples(info.n_samples))
            self._sound = SoundReader(self._raw, self._file)
            self._dead_air = DeadAir(self.info.sample_rate_hz)
            on_error.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        self._sound.close()
        self._raw.close()

    @property
    def scanned_s(self) -> float:
        """Seconds decoded so far."""
        return self.n_read_samples / self.info.sample_rate_hz

    @property
    def dead_s(self) -> tuple[tuple[float, float], ...]:
        """Dead air decoded so far, in seconds; see ``channels.DeadAir``."""
        return self._dead_air.stretches_s()

    def tags(self) -> Tags:
        """Header tags: comment, artist, GUANO, Broadcast WAV; to be read before the first block."""
        with io_errors("cannot be read"):
            guano, bwf = read_chunks(self._raw, (b"guan", b"bext"))
        return Tags(self._file.comment, self._file.artist, guano, bwf)

    def __iter__(self) -> Iterator[FloatArray]:
        whole = Segmentation.none((self.info.sample_rate_hz, self.sample_rate_hz))
        return (piece.samples for piece in self.pieces(whole))

    def pieces(self, cut: Segmentation, first: int = 0) -> Iterator[SegmentPiece]:
        """Resampled pieces of the recording's segments, each with its context, instead of blocks.

        ``first`` is the segment to begin with; only a file that ``is_seekable`` can begin with
        another than its first.
        """
        resampler = SegmentResampler(cut, first)
        self._begin(cut.start_from(first))
        for mono in self._read_ahead():
            yield from resampler.push(mono)
        yield from resampler.finish()
        self._conclude()

    def _begin(self, sample: int) -> None:
        if sample:
            self._sound.seek(sample)
            self.n_read_samples = sample
            self._dead_air = DeadAir(self.info.sample_rate_hz, sample)

    @property
    def is_seekable(self) -> bool:
        """Whether each sample is known to be where it is looked for, and the length is sure."""
        is_exact = self.info.format in _EXACT and self._extent.is_sure
        return is_exact and self.info.n_samples > 0

    def _read_ahead(self) -> Iterator[FloatArray]:
        """Mono blocks at the file's rate, each decoded on a thread while the last is used."""
        if 0 < self.info.n_samples <= self.block_s * self.info.sample_rate_hz:
            yield from self._decoded()  # there is nothing to read ahead of
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read")
        blocks = self._decoded()
        coming = self._thread.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = self._thread.submit(next, blocks, None)
            yield block

    def _decoded(self) -> Iterator[FloatArray]:
        """Mono blocks at the file's rate; a block is overwritten by the next but one."""
        wanted = self.block_s * self.info.sample_rate_hz
        n_reads = int(min(max(1.0, wanted / _READ_SAMPLES), _MAX_BLOCK_SAMPLES / _READ_SAMPLES))
        monos = np.empty((2, n_reads * _READ_SAMPLES), np.float32)
        # libsndfile takes longer to make floats of 16 bit samples than numpy does.
        shape = (_READ_SAMPLES, self.info.channels)
        is_int = self.info.subtype == "PCM_16"
        buffer = np.empty(shape, np.int16) if is_int else np.empty(shape, np.float32)
        for mono in itertools.cycle(monos):
            n_filled = self._fill(mono, buffer)
            if not n_filled:
                return
            self._dead_air.push(mono[:n_filled])
            yield mono[:n_filled]

    def _fill(self, mono: FloatArray, buffer: Samples) -> int:
        """Decode and downmix until ``mono`` is full or the file ends; the samples filled.

        Damage cuts reads short; then what is left of ``mono`` may be too little for another.
        """
        n_filled = 0
        while len(mono) - n_filled >= len(buffer):
            n_read = self._sound.read(buffer)
            if not n_read:
                break
            self.n_nonfinite += downmix(buffer[:n_read], mono[n_filled : n_filled + n_read])
            n_filled += n_read
            self.n_read_samples += n_read
        return n_filled

    def _check_source(self) -> None:
        """A network that fails is no end of the file; libsndfile cannot tell them apart."""
        if isinstance(self._raw, RemoteFile) and self._raw.failure:
            raise AudioError(f"cannot be read: {self._raw.failure}")

    def _conclude(self) -> None:
        self._check_source()
        if not self.n_read_samples:
            claimed_s = self.info.duration_s
            raise AudioError(f"nothing could be decoded of the {claimed_s:.1f} s it claims")
        with io_errors("cannot be read"):
            loss = self._loss()
        self._check_source()
        self.truncated = bool(loss)
        notes = [loss] if loss else []
        if self._extent.is_streamed:
            notes.append("its header gives no length; read to the end of the file")
        if self.n_nonfinite:
            notes.append(f"{self.n_nonfinite} NaN or infinite samples were taken as 0")
        self.message = "; ".join(notes)

    def _loss(self) -> str:
        """Why less was read than there was meant to be; empty where all was read."""
        info, read_s = self.info, f"{self.scanned_s:.1f} s"
        is_less = self.n_read_samples <= info.n_samples
        of = f"{read_s} of {info.duration_s:.1f} s" if is_less else read_s
        if self._sound.n_errors:
            return f"truncated or damaged: {of} could be decoded; later times may be early"
        if self._extent.is_followed:
            return f"another file follows after {read_s}, which is not read"
        if self._extent.is_unfinished:
            return f"its header was never finished: {of} could be read"
        if info.format == "OGG" and not ogg_ends(self._raw):
            return f"truncated: no end mark after {read_s}"
        if info.format == "MP3" and (unread_bytes := mp3_unread_bytes(self._raw)):
            return f"{unread_bytes} bytes after {read_s} not read: its length is unclear"
        tolerance_s = _LOSSY_TOLERANCE_S if info.format in ("MP3", "OGG") else 0
        short = info.n_samples - self.n_read_samples > tolerance_s * info.sample_rate_hz
        estimated = info.format == "MP3" and not mp3_states_length(self._raw)
        return f"truncated: {of} could be read" if short and not estimated else ""


def probe(path: str | Path) -> AudioInfo:
    """Format, rate, channels and length that a sound file claims, without decoding it.

    Raises
    ------
    AudioError
        The file cannot be read as sound; one line that does not name the file.
    """
    with MonoStream(path, sample_rate_hz=1) as stream:  # no block is asked for: any rate will do
        return stream.info


def load(path: str | Path, sample_rate_hz: int) -> tuple[FloatArray, MonoStream]:
    """A whole clip as ``MonoStream`` decodes it, shape (n_samples,), and the stream, closed.

    It is empty only where the file is shorter than half a sample.

    Raises
    ------
    AudioError
        As for ``MonoStream``.
    """
    with MonoStream(path, sample_rate_hz) as stream:
        blocks = list(stream)
    return np.concatenate([np.zeros(0, np.float32), *blocks]), stream
