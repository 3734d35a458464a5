"""Sound files that are cut, damaged, unfinished, unreadable, or lie."""

import errno
import io
import os
import sys

import numpy as np
import pytest
from audio_files import NO_LENGTH, blocks_of, cut, edit, noise, stereo_wav, write

from counter.audio.stream import MonoStream, load, probe
from counter.errors import AudioError

CONSTANT_BIT_RATE = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}


@pytest.fixture
def wav(tmp_path):
    return stereo_wav(tmp_path)


# Truncation


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("a.wav", {"subtype": "PCM_24", "format": "WAVEX"}),
        ("a.rf64", {}),
        ("a.w64", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.flac", {}),
        ("a.mp3", {}),
        ("a.ogg", {"subtype": "VORBIS"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_half_a_file_is_read_as_far_as_it_goes(tmp_path, name, kind, share):
    path = write(tmp_path / name, noise(48000 * 10, 2), 48000, **kind)
    whole, stream = load(path, 8000)
    assert not stream.truncated
    part, stream = load(cut(path, share), 8000)
    assert stream.truncated
    assert share - 0.12 < len(part) / len(whole) <= share + 0.01
    assert stream.scanned_s == pytest.approx(len(part) / 8000, abs=1e-3)
    assert f"{stream.scanned_s:.1f} s" in stream.message
    inner = slice(0, len(part) - 800)  # the resampler and the codec end differently
    np.testing.assert_allclose(part[inner], whole[inner], atol=1e-4)
    blocks, _ = blocks_of(path, 8000, block_s=0.7)
    np.testing.assert_array_equal(np.concatenate(blocks), part)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.mp3"])
def test_a_truncated_file_says_how_much_of_how_much(tmp_path, name):
    path = cut(write(tmp_path / name, noise(480_000), 48000), 0.5)
    _, stream = load(path, 8000)
    assert "s of 10.0 s" in stream.message
    assert stream.info.n_samples == pytest.approx(480_000, abs=1)


def test_an_mp3_without_a_length_header_is_not_called_truncated(tmp_path):
    path = write(tmp_path / "a.mp3", noise(80_000), 16000, **CONSTANT_BIT_RATE)
    data = path.read_bytes()
    first_frame = data.index(data[:3], 3)
    tag = b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)
    path.write_bytes(tag + data[first_frame:])
    _, stream = load(path, 8000)
    assert stream.info.n_samples - stream.n_read_samples > 1600  # the tag counted as sound
    assert (stream.truncated, stream.message) == (False, "")


def test_an_mp3_whose_length_must_be_guessed_too_short_is_read_on(tmp_path):
    path = write(tmp_path / "a.mp3", noise(1_600_000), 16000)
    data = path.read_bytes()
    path.write_bytes(data[data.index(data[:3], 3) :])
    assert probe(path).n_samples < 800_000
    _, stream = load(path, 8000)
    assert 1_500_000 < stream.n_read_samples <= 1_600_000 + 2304
    assert stream.truncated
    assert "later times may be early" in stream.message


def test_an_mp3_that_goes_on_after_its_stated_length_is_read_on(tmp_path):
    path = write(tmp_path / "a.mp3", noise(480_000), 48000)
    path.write_bytes(path.read_bytes() * 2)
    _, stream = load(path, 8000)
    assert 19 < stream.scanned_s <= 20.1
    assert stream.truncated
    assert "later times may be early" in stream.message


def test_what_follows_an_mp3_and_is_none_is_told(tmp_path):
    path = write(tmp_path / "a.mp3", noise(480_000), 48000)
    picture = np.random.default_rng(0).bytes(200_000)
    path.write_bytes(path.read_bytes() + picture)
    _, stream = load(path, 8000)
    assert stream.scanned_s == pytest.approx(10.0, abs=0.1)
    assert stream.truncated
    assert "not read" in stream.message


def test_rubbish_in_an_mp3_does_not_end_it(tmp_path):
    path = write(tmp_path / "a.mp3", noise(48000 * 30), 48000)
    whole = path.read_bytes()
    for seed in range(8):
        data = bytearray(whole)
        rubbish = np.random.default_rng(seed).bytes(8192)
        start = len(data) * (seed + 1) // 10
        data[start : start + len(rubbish)] = rubbish
        path.write_bytes(data)
        samples, stream = load(path, 8000)
        assert 27 < stream.scanned_s < 30.5
        blocks, _ = blocks_of(path, 8000, block_s=0.9)
        np.testing.assert_array_equal(np.concatenate(blocks), samples)


@pytest.mark.parametrize(("name", "at_least"), [("a.mp3", 0.85), ("a.flac", 0.97), ("a.ogg", 0.7)])
def test_damage_in_the_middle_is_told_and_the_rest_kept(tmp_path, name, at_least):
    path = write(tmp_path / name, noise(48000 * 20), 48000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = b"\x55" * 3000
    path.write_bytes(data)
    samples, stream = load(path, 8000)
    assert at_least < stream.scanned_s / 20 < 1
    assert stream.truncated
    assert "of 20.0 s" in stream.message
    blocks, _ = blocks_of(path, 8000, block_s=1.0)
    np.testing.assert_array_equal(np.concatenate(blocks), samples)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.5, 0.95])
def test_a_flipped_bit_in_a_flac_costs_no_second(tmp_path, share):
    sound = noise(48000 * 20)
    path = write(tmp_path / "a.flac", sound, 48000, subtype="PCM_16")
    whole, _ = load(path, 48000)
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 8
    path.write_bytes(data)
    samples, stream = load(path, 48000)
    assert 19 < stream.scanned_s < 20
    assert stream.truncated
    assert "later times may be early" in stream.message
    n_end = int(0.04 * 20 * 48000)  # what follows the latest damage
    np.testing.assert_array_equal(samples[-n_end:], whole[-n_end:])
    blocks, _ = blocks_of(path, 48000, block_s=0.9)
    np.testing.assert_array_equal(np.concatenate(blocks), samples)


def test_a_flac_damaged_in_many_places_is_read_between_them(tmp_path):
    path = write(tmp_path / "a.flac", noise(48000 * 60), 48000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    for start in range(100_000, len(data), 300_000):
        data[start : start + 20_000] = bytes(range(256)) * 78 + bytes(32)
    path.write_bytes(data)
    _, stream = load(path, 8000)
    assert 0.8 * 60 < stream.scanned_s < 0.95 * 60


def test_a_wav_whose_recorder_lost_power_is_read_to_its_end(wav):
    whole, _ = load(wav, 8000)
    for riff, data in ((0, 0), (36, 0), (36 + 8000, 8000)):
        samples, stream = load(edit(wav, (4, "<I", riff), (40, "<I", data)), 8000)
        np.testing.assert_array_equal(samples, whole)
        assert stream.truncated
        assert stream.message == "its header was never finished: 2.0 s of 2.0 s could be read"


def test_an_aiff_whose_recorder_lost_power_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.aiff", noise(16000), 8000)
    whole, _ = load(path, 8000)
    at = path.read_bytes().index(b"SSND") + 4
    samples, stream = load(edit(path, (at, ">I", 8)), 8000)
    np.testing.assert_array_equal(samples, whole)
    assert stream.truncated


def test_a_wav_over_4_gb_counts_what_its_header_cannot_say(wav):
    n_bytes = 5 * 2**30
    edit(wav, (4, "<I", n_bytes % 2**32 + 36), (40, "<I", n_bytes % 2**32))
    with wav.open("r+b") as file:
        file.truncate(44 + n_bytes)  # takes no room: a hole
        file.seek(44 + n_bytes % 2**32)
        file.write(bytes(range(1, 9)))
    assert probe(wav).n_samples == pytest.approx(n_bytes / 4, abs=2)
    with MonoStream(wav, 8000) as stream:
        assert len(next(iter(stream))) > 0


@pytest.mark.parametrize("riff", [None, 0, 36, 0x80000024, 0xFFFFFFFF])
@pytest.mark.parametrize("size", NO_LENGTH)
def test_a_wav_from_a_pipe_is_read_to_its_end(wav, size, riff):
    riff = size if riff is None else riff
    _, stream = load(edit(wav, (4, "<I", riff), (40, "<I", size)), 8000)
    assert (stream.n_read_samples, stream.info.n_samples) == (16000, 16000)
    assert not stream.truncated
    assert "no length" in stream.message
    assert not stream.is_seekable


@pytest.mark.parametrize(
    ("name", "mark", "changes"),
    [
        ("a.rf64", b"ds64", [(8, "<Q", 0), (16, "<Q", 0), (24, "<Q", 0)]),  # ffmpeg
        ("a.w64", b"riff", [(16, "<Q", 2**64 - 1)]),  # ffmpeg
        ("a.aiff", b"SSND", [(4, ">I", 0x7F000008)]),  # SoX
        ("a.au", b".snd", [(8, ">I", 0xFFFFFFFF)]),  # both
    ],
)
def test_other_files_from_a_pipe_are_read_to_their_end(tmp_path, name, mark, changes):
    path = write(tmp_path / name, noise(40000), 8000, subtype="PCM_16")
    whole, _ = load(path, 8000)
    at = path.read_bytes().index(mark)
    samples, stream = load(edit(path, *((at + off, *value) for off, *value in changes)), 8000)
    np.testing.assert_array_equal(samples, whole)
    assert (stream.info.n_samples, stream.truncated) == (40000, False)
    assert stream.message == "its header gives no length; read to the end of the file"


def hole(wav, n_bytes):
    """Make its sound as long as that, of zeros that take no room."""
    with wav.open("r+b") as file:
        file.truncate(44 + n_bytes)


@pytest.mark.parametrize("size", [3_000_000_000, 0x7FFE0000, 0x80020000, 0xFFFE0000])
def test_a_wav_cut_of_a_length_that_no_pipe_gives_is_truncated(wav, size):
    _, stream = load(edit(wav, (4, "<I", size + 36), (40, "<I", size)), 8000)
    assert (stream.n_read_samples, stream.info.n_samples) == (16000, size // 4)
    assert stream.truncated


@pytest.mark.parametrize("size", [0x7FFFFFD4, 0x7FFF8000, 0xFFFFFFD0])
def test_a_wav_of_a_recorder_that_splits_at_2_or_4_gb_may_be_cut_too(wav, size):
    hole(edit(wav, (4, "<I", size + 36), (40, "<I", size)), size * 2 // 3)
    assert probe(wav).n_samples == pytest.approx(size / 4, abs=2)
    hole(wav, size)
    with MonoStream(wav, 8000) as stream:
        assert (stream.info.n_samples, stream.is_seekable) == (size // 4, True)


def test_a_wav_from_a_pipe_may_hold_more_than_its_header_says(wav):
    hole(edit(wav, (4, "<I", 0x7FFFF024), (40, "<I", 0x7FFFF000)), 3 * 10**9)
    with wav.open("r+b") as file:
        file.seek(44 + 0x7FFFF000)
        file.write(bytes(range(1, 9)))
    assert probe(wav).n_samples == 3 * 10**9 // 4


@pytest.mark.parametrize("tail", [b"LIST\x04\0\0\0INFO", bytes(64)])
def test_chunks_and_padding_after_the_sound_are_not_sound(wav, tail):
    wav.write_bytes(wav.read_bytes() + tail)
    _, stream = load(wav, 8000)
    assert stream.n_read_samples == 16000
    assert (stream.truncated, stream.message) == (False, "")


@pytest.mark.parametrize("kind", [{"subtype": "PCM_16"}, {"subtype": "PCM_24"}, {"format": "RF64"}])
def test_a_wav_with_another_behind_it_is_read_to_its_own_end(tmp_path, kind):
    path = write(tmp_path / "a.wav", noise(16000), 8000, **kind)
    whole, _ = load(path, 8000)
    path.write_bytes(path.read_bytes() * 3)
    samples, stream = load(path, 8000)
    np.testing.assert_array_equal(samples, whole)
    assert (stream.info.n_samples, stream.truncated) == (16000, True)
    assert stream.message == "another file follows after 2.0 s, which is not read"


def test_a_claim_beyond_all_disks_is_no_place_to_look_at(tmp_path):
    path = write(tmp_path / "a.wav", noise(16000), 8000, format="RF64")
    at = path.read_bytes().index(b"ds64")
    data_at = path.read_bytes().index(b"data") + 4
    _, stream = load(edit(path, (at + 16, "<Q", 2**63 - 1), (data_at, "<I", 2**32 - 1)), 8000)
    assert (stream.n_read_samples, stream.truncated) == (16000, True)


def test_a_flac_from_a_pipe_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.flac", noise(48000), 48000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert (probe(path).n_samples, probe(path).duration_s) == (0, 0.0)
    samples, stream = load(path, 8000)
    assert len(samples) == 8000
    assert not stream.truncated


# What cannot be read, and lies


def test_what_is_no_sound_says_why_without_naming_the_file(tmp_path, wav):
    whole = wav.read_bytes()
    cases = {
        "empty file": b"",
        "not sound": b"once upon a time " * 99,
        "not readable as sound": whole[:30],
        "holds no sound": whole[:44],
    }
    for reason, data in cases.items():
        wav.write_bytes(data)
        with pytest.raises(AudioError, match=f"^{reason}") as caught:
            probe(wav)
        assert wav.name not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_paths_that_lead_to_no_file_say_why(tmp_path):
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.wav")
    cases = {"": "a folder", "broken.wav": "cannot be opened: no such", "pipe.wav": "not a regular"}
    for name, reason in cases.items():
        with pytest.raises(AudioError, match=reason):
            probe(tmp_path / name)


def test_a_disk_that_cannot_be_read_says_so(wav, monkeypatch):
    class Broken(io.FileIO):
        def read(self, size=-1):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("counter.audio.decoder.io.FileIO", Broken)
    with pytest.raises(AudioError, match=r"^cannot be read: input/output error$"):
        probe(wav)


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read everything")
def test_an_unreadable_file_says_so(wav):
    wav.chmod(0)
    with pytest.raises(AudioError, match="permission denied"):
        probe(wav)


@pytest.mark.parametrize(
    ("at", "code", "value", "reason"),
    [
        (22, "<H", 0, "claims 0 channels"),
        (22, "<H", 65, "claims 65 channels"),
        (22, "<H", 65535, "claims more than 1024 channels"),
        (24, "<I", 0, "claims 0 Hz"),
        (24, "<I", 999, "claims 999 Hz"),
        (24, "<I", 1_000_001, "claims 1000001 Hz"),
        (24, "<I", 4_000_000_000, "impossible sample rate"),
    ],
)
def test_impossible_headers_are_refused(wav, at, code, value, reason):
    with pytest.raises(AudioError, match=reason):
        probe(edit(wav, (at, code, value)))


def test_a_claim_of_hours_over_a_kilobyte_costs_nothing(wav):
    resource = pytest.importorskip("resource", reason="only POSIX tells the peak of memory so")
    cut(wav, 0.02)
    edit(wav, (4, "<I", 1_152_000_036), (40, "<I", 1_152_000_000))
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    samples, stream = load(wav, 16000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before < 50e6
    assert stream.info.duration_s == 36000.0
    assert stream.truncated
    assert 0 < len(samples) < 1000


@pytest.mark.parametrize("value", [1e11, 3e38, -3e38])
def test_a_flipped_bit_in_a_float_is_no_sound(tmp_path, value):
    sound = noise(40000, 2)
    healed = sound.copy()
    sound[5000:5002, 0], healed[5000:5002, 0] = value, 0
    path = write(tmp_path / "a.wav", sound, 8000, subtype="FLOAT")
    samples, stream = load(path, 16000)
    expected, _ = load(write(tmp_path / "b.wav", healed, 8000, subtype="FLOAT"), 16000)
    np.testing.assert_array_equal(samples, expected)
    assert stream.message == "2 NaN or infinite samples were taken as 0"


def test_a_format_whose_reader_makes_sound_up_is_refused(tmp_path):
    path = write(tmp_path / "a.sds", noise(16000), 16000)
    with pytest.raises(AudioError, match="^a MIDI sample dump"):
        probe(cut(path, 0.01))


def test_an_mp3_without_a_whole_frame_says_so(tmp_path):
    path = write(tmp_path / "a.mp3", noise(48000), 48000)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(AudioError, match="^begins as MP3, but no frame"):
        probe(path)


def test_a_flac_of_which_nothing_decodes_is_an_error(tmp_path):
    path = write(tmp_path / "a.flac", noise(48000), 48000)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AudioError, match=r"^nothing could be decoded of the 1\.0 s it claims"):
        load(path, 8000)


def test_many_channels_are_read_in_bounded_memory(tmp_path):
    path = write(tmp_path / "a.wav", noise(4000, 64), 8000)
    assert len(load(path, 8000)[0]) == 4000
