"""Spans that are gone to are those of one pass."""

import numpy as np
import pytest
import soundfile as sf
from audio_files import noise, write

from counter.audio.clips import read_spans, seek_spans
from counter.audio.stream import MonoStream

RATE_HZ = 4000
SPANS_S = ((0.0, 1.0), (3.0, 5.0), (4.0, 6.0), (70.5, 71.0), (200.0, 201.5), (330.0, 400.0))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """340 s of noise, as WAV, FLAC and Ogg."""
    folder = tmp_path_factory.mktemp("spans")
    sound = noise(340 * RATE_HZ, 2)
    kinds = {"wav": {"subtype": "PCM_16"}, "flac": {}, "ogg": {"subtype": "VORBIS"}}
    return {kind: write(folder / f"a.{kind}", sound, RATE_HZ, **how) for kind, how in kinds.items()}


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 16000, 3000])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_spans_gone_to_are_those_of_one_pass(recording, kind, rate_hz):
    spans = [(int(start_s * rate_hz), int(end_s * rate_hz)) for start_s, end_s in SPANS_S]
    one_pass = list(read_spans(recording[kind], rate_hz, spans))
    gone_to = list(seek_spans(recording[kind], rate_hz, spans))
    assert [len(one) for one in gone_to] == [len(one) for one in one_pass]
    assert len(one_pass[-1]) == 10 * rate_hz  # of 70 s that were asked for
    for one, other in zip(gone_to, one_pass, strict=True):
        np.testing.assert_allclose(one, other, atol=0 if rate_hz == RATE_HZ else 1e-3)


def test_what_lies_between_is_not_read(recording, monkeypatch):
    n_read = []
    leave = MonoStream.__exit__

    def leaving(stream, *error):
        n_read.append(stream.n_read_samples)
        leave(stream, *error)

    monkeypatch.setattr(MonoStream, "__exit__", leaving)
    list(seek_spans(recording["wav"], RATE_HZ, [(0, RATE_HZ), (300 * RATE_HZ, 301 * RATE_HZ)]))
    before_s = n_read[1] / RATE_HZ
    assert before_s < 30
    assert n_read[2] >= 301 * RATE_HZ


def test_no_span_is_no_sound(recording):
    assert list(seek_spans(recording["flac"], RATE_HZ, [])) == []


def test_sound_beyond_the_end_is_none(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(RATE_HZ), RATE_HZ)
    (found,) = seek_spans(tmp_path / "a.wav", RATE_HZ, [(2 * RATE_HZ, 3 * RATE_HZ)])
    assert len(found) == 0
