"""RIFF chunks: the same in files and pipes, and found where they stand."""

import errno
import io
import struct

import numpy as np
import pytest
from audio_files import edit, noise, write
from hypothesis import given
from hypothesis import strategies as st

from counter.audio.riff import FORM_BYTES, is_no_length, read_chunks, walk_chunks
from counter.audio.stream import MonoStream, load

NAMES = st.sampled_from([b"fmt ", b"data", b"LIST", b"guan", b"ds64", b"SSND", b"\0\0\0\0"])
CHUNKS = st.lists(st.tuples(NAMES, st.binary(max_size=40), st.booleans()), max_size=8)


def chunk_bytes(name, content, order, claimed=None):
    size = len(content) if claimed is None else claimed
    return name + struct.pack(f"{order}I", size) + content + bytes(len(content) % 2)


class Pipe:
    """Gives its bytes once, in order."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def read(self, n_bytes):
        part = self.data[self.at : self.at + n_bytes]
        self.at += len(part)
        return part

    def seek(self, place):
        assert place >= self.at
        self.at = min(place, len(self.data))
        return self.at


@given(form=st.sampled_from([b"RIFF", b"RF64", b"RIFX", b"FORM", b"OggS"]), chunks=CHUNKS)
def test_chunks_of_a_pipe_are_those_of_a_file(form, chunks):
    order = ">" if form in (b"RIFX", b"FORM") else "<"
    data = form + b"\0\0\0\0WAVE"
    data += b"".join(
        chunk_bytes(name, content, order, 0xFFFFFFFF if is_open else None)
        for name, content, is_open in chunks
    )
    found = []
    for source, size in ((io.BytesIO(data), len(data)), (Pipe(data), len(data) + 1)):
        head = source.read(FORM_BYTES)
        walked = walk_chunks(source, head, size=size)
        found.append(
            [(one, one.name == b"ds64" or source.read(min(one.n_bytes, 7))) for one in walked]
        )
    assert found[0] == found[1]
    if form != b"OggS" and not any(is_open for _, _, is_open in chunks):
        names = [(chunk.name, chunk.n_bytes) for chunk, _ in found[0]]
        assert names == [(name, len(content)) for name, content, _ in chunks]


def test_zeros_without_end_are_given_up():
    zeros = Pipe(bytes(1_000_000))
    assert len(list(walk_chunks(zeros, b"RIFF\0\0\0\0WAVE"))) == 1000


@pytest.mark.parametrize(
    ("claimed", "held", "expected"),
    [
        (0, 0, True),
        (1, 0, False),
        (0x7FFEFFFF, 0, False),
        (0x7FFF0000, 0, True),
        (0x7FFF0000, 0x40000000, False),  # a recorder that splits at 2 GB, cut
        (0x80000000, 0x7F000000, True),  # arecord, whatever is held
        (0x80010001, 0, False),
        (0xFFFEFFFF, 0, False),
        (0xFFFFFFDB, 2**30, True),
        (0xFFFFFFDB, 2**31, False),
        (2**33, 0, False),
        (2**64 - 1, 2**40, True),
    ],
)
def test_what_is_no_length(claimed, held, expected):
    assert is_no_length(claimed, held) == expected


@pytest.mark.parametrize("kind", [{}, {"format": "RF64"}, {"endian": "BIG"}])
def test_a_chunk_behind_the_sound_is_found_in_any_wav(tmp_path, kind):
    path = write(tmp_path / "a.wav", noise(8001), 8000, subtype="PCM_24", **kind)
    order = ">" if kind.get("endian") else "<"
    path.write_bytes(path.read_bytes() + chunk_bytes(b"guan", b"GUANO|Version:1.0\n", order))
    with MonoStream(path, 8000) as stream:
        assert stream.tags().guano == b"GUANO|Version:1.0\n"
        assert sum(len(block) for block in stream) == 8001
        assert not stream.truncated


def test_the_first_of_a_name_counts_and_the_place_stays():
    parts = [chunk_bytes(b"guan", text, "<") for text in (b"first", b"second")]
    file = io.BufferedReader(io.BytesIO(b"RIFF\0\0\0\0WAVE" + b"".join(parts)))
    file.seek(5)
    assert read_chunks(file, (b"bext", b"guan")) == [b"", b"first"]
    assert file.tell() == 5


def test_a_card_whose_file_system_knows_no_places_behind_a_file(tmp_path, monkeypatch):
    class Fat(io.FileIO):
        def seek(self, offset, whence=io.SEEK_SET):
            if offset > 2**32 - 1:
                raise OSError(errno.EINVAL, "Invalid argument")
            return super().seek(offset, whence)

    path = write(tmp_path / "a.wav", noise(8000), 8000, subtype="PCM_16")
    edit(path, (40, "<I", 0xFFFFFFFF))
    monkeypatch.setattr("counter.audio.decoder.io.FileIO", Fat)
    with MonoStream(path, 8000) as stream:
        assert stream.tags().guano == b""
        assert sum(len(block) for block in stream) == 8000


def test_a_header_that_leads_behind_all_places_prints_nothing(tmp_path, capfd):
    path = write(tmp_path / "a.wav", noise(8000), 8000, format="RF64", subtype="PCM_16")
    whole, _ = load(path, 8000)
    data = path.read_bytes()
    edit(path, (data.index(b"ds64") + 16, "<Q", 2**63 - 1), (data.index(b"data") + 4, "<I", 2))
    samples, stream = load(path, 8000)
    np.testing.assert_array_equal(samples, whole)
    assert "never finished" in stream.message
    assert capfd.readouterr().err == ""
