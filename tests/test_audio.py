"""Sound files in, mono blocks out: lengths, levels, formats."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from audio_files import blocks_of, noise, stereo_wav, write
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.audio import riff
from counter.audio.stream import load, probe
from counter.timebase import resampled_length

RATES_HZ = [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000, 384000]
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def tone(rate_hz, duration_s, pitch_hz=440.0):
    return np.sin(2 * np.pi * pitch_hz * np.arange(int(rate_hz * duration_s)) / rate_hz) * 0.5


@pytest.fixture
def wav(tmp_path):
    return stereo_wav(tmp_path)


# What a file says


def test_probe_tells_what_a_file_claims(wav):
    info = probe(wav)
    assert (info.path, info.format, info.subtype) == (str(wav), "WAV", "PCM_16")
    assert (info.sample_rate_hz, info.channels, info.n_samples) == (8000, 2, 16000)
    assert info.duration_s == 2.0


# Samples


@pytest.mark.parametrize("to_hz", [8000, 16000])
@pytest.mark.parametrize("from_hz", RATES_HZ)
def test_length_and_pitch_survive_resampling(tmp_path, from_hz, to_hz):
    path = write(tmp_path / "a.wav", tone(from_hz, 1.2345), from_hz)
    samples, stream = load(path, to_hz)
    assert samples.dtype == np.float32
    assert samples.shape == (resampled_length(stream.n_read_samples, from_hz, to_hz),)
    inner = slice(to_hz // 10, -to_hz // 10)
    assert np.max(np.abs(samples[inner] - tone(to_hz, 1.2345)[: len(samples)][inner])) < 1e-3


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(1, 120_000),
    from_hz=st.sampled_from([1000, 7999, 12000, *RATES_HZ, 1_000_000]),
    to_hz=st.sampled_from([8000, 16000, 22050]),
)
def test_length_is_exact_for_any_number_of_samples(tmp_path_factory, n_samples, from_hz, to_hz):
    path = tmp_path_factory.mktemp("length") / "a.wav"
    sf.write(path, np.zeros(n_samples), from_hz)
    samples, stream = load(path, to_hz)
    assert stream.n_read_samples == n_samples
    assert len(samples) == resampled_length(n_samples, from_hz, to_hz)


def test_less_than_half_a_sample_is_no_sample(tmp_path):
    sf.write(tmp_path / "a.wav", np.ones(1), 48000)
    samples, stream = load(tmp_path / "a.wav", 8000)
    assert samples.shape == (0,)
    assert (stream.n_read_samples, stream.truncated) == (1, False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.flac", {}),
        ("a.mp3", {}),
        ("a.ogg", {"subtype": "VORBIS"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
@pytest.mark.parametrize("to_hz", [16000, 48000])
def test_blocks_never_show(tmp_path, name, kind, to_hz):
    path = write(tmp_path / name, noise(48000 * 9 + 17, 2), 48000, **kind)
    whole, _ = load(path, to_hz)
    for block_s in (0.01, 1.0, 2.3, 1e9):
        blocks, stream = blocks_of(path, to_hz, block_s=block_s)
        assert all(block.ndim == 1 and block.dtype == np.float32 and len(block) for block in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks), whole)
        assert not stream.truncated
        assert stream.message == ""


def test_blocks_are_about_as_long_as_asked(tmp_path):
    path = write(tmp_path / "a.wav", noise(48000 * 20), 48000)
    blocks, _ = blocks_of(path, 8000, block_s=4.0)
    assert max(map(len, blocks)) <= 5 * 8000
    assert len(blocks) >= 4


def test_yielded_blocks_are_not_overwritten(tmp_path):
    sound = noise(8000 * 30)[:, 0]
    path = write(tmp_path / "a.wav", sound, 8000, subtype="FLOAT")
    blocks, _ = blocks_of(path, 8000, block_s=4.0)
    np.testing.assert_array_equal(np.concatenate(blocks), sound)


@pytest.mark.parametrize("harm", ["none", "half of it", "rubbish in it"])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff"])
def test_what_is_read_does_not_depend_on_how_libsndfile_gets_the_bytes(
    tmp_path, monkeypatch, name, harm
):
    path = write(tmp_path / name, noise(48000 * 5, 2), 48000)
    content = path.read_bytes()
    if harm == "half of it":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "rubbish in it":
        path.write_bytes(content[:-40000] + b"rubbish " * 100 + content[-39200:])
    by_number, told = load(path, 16000)
    monkeypatch.setattr(riff, "_KNOWS_NUMBERS", False)  # as on Windows
    by_file, told_too = load(path, 16000)
    np.testing.assert_array_equal(by_file, by_number)
    for fact in ("n_read_samples", "truncated", "message"):
        assert getattr(told_too, fact) == getattr(told, fact)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_averaged(tmp_path, channels):
    sound = noise(40000, channels)
    path = write(tmp_path / "a.wav", sound, 8000, subtype="FLOAT")
    np.testing.assert_allclose(load(path, 8000)[0], sound.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 1 / 128),
        ("a.aiff", "PCM_S8", 1 / 128),
        ("a.wav", "PCM_16", 1 / 32768),
        ("a.flac", "PCM_24", 1e-6),
        ("a.wav", "PCM_32", 1e-6),
        ("a.wav", "FLOAT", 1e-7),
        ("a.w64", "DOUBLE", 1e-7),
        ("a.caf", "PCM_24", 1e-6),
        ("a.au", "PCM_16", 1 / 32768),
        ("a.rf64", "PCM_16", 1 / 32768),
    ],
)
def test_every_sample_format_gives_the_same_sound(tmp_path, name, subtype, tolerance):
    sound = noise(5000)
    path = write(tmp_path / name, sound, 8000, subtype=subtype)
    samples, stream = load(path, 8000)
    np.testing.assert_allclose(samples, sound[:, 0], atol=tolerance)
    assert (stream.truncated, stream.message) == (False, "")


def test_a_name_that_is_not_utf8_can_be_read(wav):
    name = os.fsdecode(os.path.join(os.fsencode(wav.parent), b"\xff,\n.wav"))
    try:
        os.rename(wav, name)
    except OSError:
        pytest.skip("the file system allows UTF-8 names only")
    assert probe(name).n_samples == 16000


# NaN and infinity


def test_nan_and_infinity_become_zero_and_are_counted(tmp_path):
    sound = noise(40000, 2)
    healed = sound.copy()
    for at, channel, value in ((3, 0, np.nan), (39000, 0, np.inf), (39000, 1, -np.inf)):
        sound[at, channel], healed[at, channel] = value, 0
    path = write(tmp_path / "a.wav", sound, 8000, subtype="FLOAT")
    samples, stream = load(path, 8000)
    np.testing.assert_allclose(samples, healed.mean(axis=1), atol=1e-6)
    assert stream.n_nonfinite == 3
    assert stream.message == "3 NaN or infinite samples were taken as 0"
    assert not stream.truncated


def test_loud_samples_are_kept(tmp_path):
    full_scale_of_32_bits = np.full(100, 2.0**31, np.float32)
    path = write(tmp_path / "a.wav", full_scale_of_32_bits, 8000, subtype="FLOAT")
    samples, stream = load(path, 8000)
    np.testing.assert_array_equal(samples, full_scale_of_32_bits)
    assert stream.n_nonfinite == 0


# Real recordings


def test_shared_recordings_are_read_whole():
    paths = [*SHARED.glob("piha/*.mp3"), *sorted(SHARED.glob("esc10/**/*.ogg"))[:5]]
    if not paths:
        pytest.skip("the shared recordings are not here")
    for path in paths:
        _, stream = load(path, 16000)
        assert (stream.truncated, stream.message) == (False, ""), path.name
