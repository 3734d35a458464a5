"""Listening: what comes in gives what a scan gives; queues, streams, files and clips."""

import io
import json
import os
import struct
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from audio_files import NO_LENGTH
from bundles import LABELS_HZ, TONE_HZ, calls, restless
from bundles import tone_bundle as make_tone_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.audio.stream import load
from counter.detector import Detector
from counter.errors import AudioError, OutputError
from counter.events.decoding import decode
from counter.events.rules import EventRules
from counter.live.capture import Capture
from counter.live.event_output import ClipKeeper, EventFile, EventRows
from counter.live.listener import LIVE_CHUNK_S, Listener
from counter.live.stream_input import Expected, StreamSource
from counter.records import Event, Recording
from counter.scanning.recording import ScanOrder, scan_file
from counter.tables.columns import event_columns

# Loose enough that noise gives many events of all kinds.
LIVELY = EventRules(
    threshold=0.55,
    release=0.45,
    smooth_s=0.2,
    gap_s=0.2,
    part_s=1.0,
    part_depth=0.9,
    min_duration_s=0.1,
)


@pytest.fixture(scope="module")
def live(either_network):
    with Detector(either_network.bundle, chunk_s=LIVE_CHUNK_S) as one:
        yield one


@pytest.fixture(scope="module")
def scanning(either_network):
    with Detector(either_network.bundle) as one:
        yield one


@pytest.fixture(scope="module")
def recordings(scanning, tmp_path_factory):
    """Restless noise at several rates with the events that a scan finds."""
    folder = tmp_path_factory.mktemp("restless")
    rules = {label: LIVELY for label in scanning.bundle.spec.labels}
    found = {}
    for rate_hz in (8000, 11025, 48000):
        path = folder / f"{rate_hz}.wav"
        sf.write(path, np.clip(restless(40.3), -1, 1)[: 40 * rate_hz], rate_hz, subtype="PCM_16")
        result = scan_file(
            Recording(str(path), path.name), scanning, ScanOrder(scanning.bundle, rules, 1)
        )
        found[rate_hz] = sf.read(path, dtype="float32")[0], result.events
    return rules, found


def events_of(listener, sound, sizes):
    """All events of a sound that comes in blocks of the sizes, over and over."""
    events, at = [], 0
    while at < len(sound):
        for size in sizes:
            events += listener.push(sound[at : at + size].copy())
            at += size
    return [*events, *listener.finish()]


def same(events, others):
    """Whether events are the same in any order, scores but for rounding."""
    order = [
        sorted(some, key=lambda event: (event.start_s, event.label)) for some in (events, others)
    ]
    times = [[replace(event, score=0.0) for event in some] for some in order]
    scores = [[event.score for event in some] for some in order]
    return times[0] == times[1] and scores[0] == pytest.approx(scores[1], abs=1e-5)


@settings(max_examples=20)
@given(
    st.sampled_from([8000, 11025, 48000]),
    st.lists(st.integers(1, 30_000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 400),
)
def test_a_file_gives_the_events_of_its_scan_whatever_the_blocks(live, recordings, rate_hz, sizes):
    rules, found = recordings
    sound, events = found[rate_hz]
    assert len(events) > 3
    assert same(events_of(Listener(live, rules, rate_hz), sound, sizes), events)


@settings(max_examples=15)
@given(seconds=st.floats(0.0002, 8.0))
def test_short_sounds_give_the_events_of_their_scan(live, scanning, recordings, seconds):
    rules, found = recordings
    sound = found[8000][0][: round(seconds * 8000)]
    events = events_of(Listener(live, rules, 8000), sound, [777])
    whole = Listener(live, rules, 8000)
    assert same(events, [*whole.push(sound), *whole.finish()])
    scores = scanning.scores(sound)
    spec = scanning.bundle.spec
    found = decode(scores, spec.labels, rules, spec.timebase, len(sound) / 8000)
    assert same(events, found)


def test_nothing_heard_gives_nothing(live, recordings):
    assert Listener(live, recordings[0], 8000).finish() == []


@pytest.mark.slow
def test_stretches_of_a_long_sound_never_show(live, scanning, tmp_path):
    rules = {label: LIVELY for label in scanning.bundle.spec.labels}
    sound = np.tile(restless(60.0), 61)
    path = tmp_path / "long.wav"
    sf.write(path, np.clip(sound, -1, 1), 11025, subtype="PCM_16")
    result = scan_file(
        Recording(str(path), "long.wav"), scanning, ScanOrder(scanning.bundle, rules, 1)
    )
    sound = sf.read(path, dtype="float32")[0]
    assert len(sound) / 11025 > 1900
    assert same(events_of(Listener(live, rules, 11025), sound, [4410]), result.events)


def test_an_event_is_told_within_its_wait(tone_bundle):
    spec = tone_bundle.spec
    sound = calls(30.0, [3.0, 9.0, 20.0])
    detected = []
    with Detector(tone_bundle, chunk_s=LIVE_CHUNK_S) as detector:
        listener = Listener(detector, spec.rules, 8000)
        for at in range(0, len(sound), 800):
            detected += [
                (event, listener.received_s) for event in listener.push(sound[at : at + 800])
            ]
    assert len(detected) == 3
    by_hand_s = (1 + 2 + spec.context_frames) * spec.timebase.frame_s
    assert listener.waits_s == pytest.approx(by_hand_s)
    for event, received_s in detected:
        assert by_hand_s - 0.1 < received_s - event.end_s < by_hand_s + 0.5


# queue


def test_what_does_not_fit_is_counted_and_its_place_is_told():
    capture = Capture()
    block = np.zeros(800, np.float32)
    for _ in range(130):
        capture.put_or_lose(block)
    blocks = capture.take()
    assert len(blocks) == 100
    assert capture.n_overruns == 1
    capture.put_or_lose(block)
    (after,) = capture.take()
    assert after.n_lost == 30 * 800
    capture.put_or_lose(block)
    assert capture.take()[0].n_lost == 0
    assert capture.n_overruns == 1


def test_one_who_waits_loses_nothing_and_gives_up_at_the_end():
    capture = Capture()
    thread = threading.Thread(
        target=lambda: [capture.put(np.full(1, n, np.float32)) for n in range(350)]
    )
    thread.start()
    taken = []
    while len(taken) < 200:
        taken += capture.take()
        time.sleep(0.01)
    assert [int(one.samples[0]) for one in taken] == list(range(len(taken)))
    capture.end()
    thread.join(5)
    assert not thread.is_alive()
    assert capture.n_overruns == 0


# streams


def wav_bytes(sound, rate_hz, subtype, *, kind="WAV"):
    file = io.BytesIO()
    sf.write(file, sound, rate_hz, format=kind, subtype=subtype)
    return file.getvalue()


def piped(data, expected=None, *, pieces=4096):
    """Mono sound of a stream of bytes, its source, and its capture."""
    out, into = os.pipe()

    def feed():
        with os.fdopen(into, "wb", buffering=0) as file:
            for at in range(0, len(data), pieces):
                file.write(data[at : at + pieces])

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        with os.fdopen(out, "rb", buffering=0) as raw:
            source = StreamSource(raw, "pipe", expected or Expected())
            capture, blocks = Capture(), []
            source.start(capture)
            while not capture.is_over or blocks[-1:] != [[]]:
                blocks.append(capture.take())
    finally:
        thread.join(10)
    found = [one.samples for some in blocks for one in some]
    return np.concatenate([np.zeros(0, np.float32), *found]), source, capture


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_is_read_as_from_a_file(tmp_path, kind, subtype, channels):
    sound = np.clip(restless(1.3).repeat(channels).reshape(-1, channels), -1, 1)
    data = wav_bytes(sound, 8000, subtype, kind=kind)
    (tmp_path / "a.wav").write_bytes(data)
    mono, source, capture = piped(data, pieces=1001)
    np.testing.assert_array_equal(mono, load(tmp_path / "a.wav", 8000)[0])
    assert (source.rate_hz, capture.note, capture.failure) == (8000, "", "")


@pytest.mark.parametrize("claimed", [0, *NO_LENGTH])
def test_a_wav_that_does_not_know_its_length_is_read_to_its_end(tmp_path, claimed):
    data = bytearray(wav_bytes(restless(1.0), 8000, "PCM_16"))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", claimed)
    mono, _, capture = piped(bytes(data))
    assert len(mono) == 8000
    assert capture.note == ""
    (tmp_path / "a.wav").write_bytes(data)
    np.testing.assert_array_equal(mono, load(tmp_path / "a.wav", 8000)[0])


def test_an_rf64_that_does_not_know_its_length_is_read_to_its_end():
    data = bytearray(wav_bytes(restless(1.0), 8000, "PCM_16", kind="RF64"))
    at = data.index(b"ds64") + 8
    data[at : at + 24] = bytes(24)
    mono, _, capture = piped(bytes(data))
    assert (len(mono), capture.note) == (8000, "")


def test_a_wav_of_3_gb_that_ends_early_says_so():
    data = bytearray(wav_bytes(restless(1.0), 8000, "PCM_16"))
    data[40:44] = struct.pack("<I", 3_000_016_000)
    mono, _, capture = piped(bytes(data))
    assert len(mono) == 8000
    assert capture.note == "it ended 187500.0 s before its header says"


def test_what_follows_the_sound_of_a_wav_is_none():
    data = wav_bytes(restless(1.0), 8000, "PCM_16") + b"LIST\x04\x00\x00\x00abcd"
    assert len(piped(data)[0]) == 8000


def test_a_wav_that_ends_in_the_middle_says_so():
    mono, _, capture = piped(wav_bytes(restless(4.0), 8000, "PCM_16")[: 44 + 16001])
    assert len(mono) == 8000
    assert "ended 3.0 s before its header says" in capture.note
    assert "within a sample" in capture.note


@settings(max_examples=20)
@given(st.integers(1, 5000), st.integers(0, 9000))
def test_raw_samples_do_not_depend_on_how_they_come(pieces, n_bytes):
    sound = (restless(1.0) * 30000).astype("<i2")
    expected = Expected(8000, 1, "s16le")
    data = sound.tobytes()[: n_bytes + 1]
    mono, _, _ = piped(data, expected, pieces=pieces)
    np.testing.assert_array_equal(mono, sound[: len(data) // 2] / np.float32(32768))


def test_what_is_no_number_is_silence_and_told():
    sound = np.zeros(800, "<f4")
    sound[5], sound[9] = np.nan, np.inf
    mono, _, capture = piped(sound.tobytes(), Expected(8000, 1, "f32le"))
    assert not mono.any()
    assert "2 NaN or infinite samples" in capture.note


WAV = wav_bytes(np.zeros(100), 8000, "PCM_16")


@pytest.mark.parametrize(
    ("data", "expected", "detected"),
    [
        (b"", Expected(), "empty"),
        (b"fLaC" + bytes(50), Expected(), "is no WAV.*--rate"),
        (b"ab", Expected(), "is no WAV"),
        (WAV[:3], Expected(), "is no WAV"),
        (WAV[:9], Expected(), "ends within its header"),
        (WAV[:40], Expected(), "ends within its header"),
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(40), Expected(), "does not say WAVE"),
        (WAV[:12] + WAV[36:], Expected(), "does not say what the samples are"),
        (WAV[:16] + b"\xff\xff\xff\xff" + WAV[20:], Expected(), "damaged header"),
        (WAV[:20] + b"\x55\x00" + WAV[22:], Expected(), "another kind.*0x0055"),
        (WAV[:22] + b"\x00\x00" + WAV[24:], Expected(), "claims 0 channels"),
        (WAV[:24] + b"\x05\x00" + WAV[26:], Expected(), "claims 5 Hz"),
        (WAV, Expected(rate_hz=44100), "says 8000, but --rate says 44100"),
        (WAV, Expected(channels=2), "says 1, but --channels says 2"),
        (WAV, Expected(sample_format="f32le"), "says s16le, but --sample-format says f32le"),
    ],
)
def test_streams_that_are_wrong(data, expected, detected):
    with pytest.raises(AudioError, match=detected) as caught:
        piped(data, expected)
    assert "\n" not in str(caught.value)


# files


EVENT = Event("tone", 1.0, 2.5, 1.7, 0.87654)


def test_events_are_written_at_once_with_the_columns_of_a_scan(tone_bundle, tmp_path):
    rows = EventRows("=mic", tone_bundle.spec)
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.csv"
    with EventFile(lines, rows.columns) as first, EventFile(table, rows.columns) as second:
        for row in (rows.row(EVENT, None), rows.row(EVENT, None)):
            first.add(row)
            second.add(row)
            detected = [json.loads(line) for line in lines.read_text().splitlines()]
            assert detected[-1]["event"] == row.event
            header, *cells = [line.split(",") for line in table.read_text().splitlines()]
            assert tuple(header) == event_columns(has_probability=False)
            assert dict(zip(header, cells[-1], strict=True))["score"] == "0.8765"
    assert [one["event"] for one in detected] == [1, 2]
    assert (detected[0]["recording"], detected[0]["start_s"], detected[0]["start_time"]) == (
        "=mic",
        1.0,
        None,
    )
    assert cells[0][0] == "'=mic"


@pytest.mark.parametrize(
    ("name", "detected"),
    [("a.txt", "neither .jsonl nor .csv"), ("there.csv", "there already"), ("no/a.csv", "folder")],
)
def test_event_files_that_clash(tmp_path, name, detected):
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(OutputError, match=detected):
        EventFile(tmp_path / name, ("label",))
    assert (tmp_path / "there.csv").read_text() == "mine"


# clips


def test_clips_hold_the_sound_of_their_events(tone_bundle, tmp_path):
    rows = EventRows("mic", tone_bundle.spec)
    keeper = ClipKeeper(tmp_path / "clips", 8000, hold_s=20.0)
    sound = np.clip(restless(30.0), -1, 1)
    spans_s = [(0.4, 1.5), (12.0, 14.0), (28.0, 29.9)]
    for at in range(0, len(sound), 700):
        keeper.push(sound[at : at + 700])
        while spans_s and at >= spans_s[0][1] * 8000:
            start_s, end_s = spans_s.pop(0)
            keeper.add(rows.row(Event("tone", start_s, end_s, end_s, 0.9), None))
    keeper.finish()
    for number, (first_s, stop_s) in enumerate([(0, 2.5), (11, 15), (27, 30)], 1):
        clip, rate_hz = sf.read(tmp_path / "clips" / "tone" / f"mic-{number}.flac")
        assert rate_hz == 8000
        expected = sound[int(first_s * 8000) : int(stop_s * 8000)]
        np.testing.assert_allclose(clip, expected, atol=2**-22)
    assert keeper.n_missed == 0


def test_an_event_whose_sound_is_gone_has_no_clip(tone_bundle, tmp_path):
    rows = EventRows("mic", tone_bundle.spec)
    keeper = ClipKeeper(tmp_path / "clips", 8000, hold_s=5.0)
    for _ in range(20):
        keeper.push(np.zeros(8000, np.float32))
    keeper.add(rows.row(Event("tone", 1.0, 2.0, 1.5, 0.9), None))
    assert keeper.n_missed == 1
    assert not (tmp_path / "clips").exists()


def test_clips_never_go_where_something_is(tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(OutputError):
            ClipKeeper(folder, 8000, hold_s=5.0)


def test_labels_are_told_apart(tmp_path):
    bundle = make_tone_bundle(tmp_path / "two", LABELS_HZ)
    assert LABELS_HZ["low"] == TONE_HZ
    low = calls(20.0, [3.0, 12.0])
    high = calls(20.0, [7.0], hz=LABELS_HZ["high"], seed=1)
    with Detector(bundle, chunk_s=LIVE_CHUNK_S) as detector:
        found = events_of(Listener(detector, bundle.spec.rules, 8000), low + high, [800])
    assert [event.label for event in found] == ["low", "high", "low"]
