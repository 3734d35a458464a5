"""Recordings to counts: on seams, at ends, in any order, and beside recordings that are broken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from audio_files import cut, edit, write
from bundles import MODEL_RATE_HZ, calls, restless
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from counter.detector import CHUNK_S, Detector
from counter.records import FAILED, OK, TRUNCATED
from counter.scanning.recording import ScanOrder, scan_file
from counter.storage.inputs import find_recordings

CALL_S = 1.5
TWO_CALLS_S = (2.0, 5.0)
# A file that is there and cannot be read, for root as well.
UNREADABLE = Path("/proc/self/mem")


def two_calls(rate_hz=MODEL_RATE_HZ):
    return calls(8.0, TWO_CALLS_S, rate_hz=rate_hz)


@pytest.fixture(scope="module")
def detector(tone_bundle):
    with Detector(tone_bundle, 2) as one:
        yield one


def job_of(detector, **values):
    return detector, ScanOrder(detector.bundle, detector.bundle.spec.rules, 1, **values)


@pytest.fixture(scope="module")
def job(detector):
    return job_of(detector)


def scan(folder, job):
    return [scan_file(recording, *job) for recording in find_recordings([folder])]


def scan_sound(folder, job, sound, rate_hz=MODEL_RATE_HZ):
    path = write(folder / "sound.wav", sound, rate_hz, subtype="FLOAT")
    (recording,) = find_recordings([path])
    return scan_file(recording, *job)


def starts(result):
    return [event.start_s for event in result.events]


def bare(results):
    """What was found, whatever the folder it was found in."""
    return [(one.recording.name, one.status, one.message, one.events) for one in results]


@pytest.mark.parametrize("start_s", [CHUNK_S + shift for shift in (-1.6, -1.5, -0.75, -0.1, 0.0)])
def test_a_call_on_a_seam_counts_once(tmp_path, job, start_s):
    twice = (start_s, start_s + CHUNK_S)
    result = scan_sound(tmp_path, job, calls(2.5 * CHUNK_S, twice))
    assert starts(result) == pytest.approx(twice, abs=0.2)
    assert [e.end_s for e in result.events] == pytest.approx([s + CALL_S for s in twice], abs=0.2)
    assert all(event.start_s < event.peak_s < event.end_s for event in result.events)


@pytest.mark.parametrize("duration_s", [8.0, 8.0001, 8.063, 8.128, CHUNK_S, 2 * CHUNK_S, 35.3])
def test_calls_at_the_very_beginning_and_end_are_found(tmp_path, job, duration_s):
    last_s = duration_s - CALL_S
    result = scan_sound(tmp_path, job, calls(duration_s, (0.0, last_s)))
    assert starts(result) == pytest.approx([0.0, last_s], abs=0.2)
    assert result.events[-1].end_s == pytest.approx(result.scanned_s, abs=1e-9)
    assert result.scanned_s == pytest.approx(duration_s, abs=1e-4)


@pytest.mark.parametrize("duration_s", [0.0002, 0.1, 1.0, 10.0])
def test_silence_is_an_answer(tmp_path, job, duration_s):
    silent = np.zeros(round(duration_s * MODEL_RATE_HZ) or 1, np.float32)
    result = scan_sound(tmp_path, job, silent)
    assert (result.status, result.calls()) == (OK, 0)
    assert result.scanned_s == pytest.approx(len(silent) / MODEL_RATE_HZ)
    is_dead = duration_s >= 1
    assert ("hold one constant value" in result.message) == is_dead
    assert result.effort_s == (0 if is_dead else result.scanned_s)


@example_settings(max_examples=20)
@given(
    st.lists(st.floats(0.3, 6.0), max_size=8),
    st.floats(-30.0, 6.0),
    st.sampled_from([8000, 11025, 44100]),
)
def test_calls_are_counted_whatever_their_pauses_level_and_rate(
    tmp_path_factory, job, pauses_s, gain_db, rate_hz
):
    # With a pause under gap_s plus smoothing two calls may be one.
    starts_s = np.cumsum([pause_s + CALL_S + 0.5 for pause_s in pauses_s])
    sound = calls(starts_s[-1] + 4 if pauses_s else 5.0, starts_s, rate_hz=rate_hz)
    sound *= np.float32(10 ** (gain_db / 20))
    result = scan_sound(tmp_path_factory.mktemp("drawn"), job, sound, rate_hz)
    assert starts(result) == pytest.approx(starts_s, abs=0.2)


def a_season(folder, n=4):
    """Recordings of 1, 2 ... calls and of different lengths."""
    for index in range(n):
        sound = calls(5 + 4 * index, [1 + 4 * k for k in range(index + 1)], seed=index)
        write(folder / f"{index}.wav", sound, MODEL_RATE_HZ, subtype="PCM_16")
    return folder


def test_a_copy_of_every_file_doubles_what_is_found(tmp_path, job):
    folder = a_season(tmp_path)
    before = scan(folder, job)
    for path in sorted(folder.iterdir()):
        (folder / f"{path.stem}-copy.wav").write_bytes(path.read_bytes())
    after = scan(folder, job)
    assert sum(result.calls() for result in after) == 2 * sum(result.calls() for result in before)
    copies = [result for result in after if "copy" in result.recording.name]
    assert [result.events for result in copies] == [result.events for result in before]


def test_broken_recordings_change_nothing_of_the_others(tmp_path, job):
    good = bare(scan(a_season(tmp_path), job))
    for name in ("!.wav", "1x.wav", "zzz.flac"):
        (tmp_path / name).write_text("no sound")
    results = scan(tmp_path, job)
    assert bare(result for result in results if result.status != FAILED) == good
    failed = [result for result in results if result.status == FAILED]
    assert [result.recording.name for result in failed] == ["!.wav", "1x.wav", "zzz.flac"]
    assert all(result.message and result.calls() == 0 for result in failed)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff"])
def test_a_truncated_recording_is_scanned_as_far_as_it_goes(tmp_path, job, name):
    sound = calls(60.0, range(2, 58, 4), rate_hz=16000)
    cut(write(tmp_path / name, sound, 16000), 0.5)
    (result,) = scan(tmp_path, job)
    assert (result.status, bool(result.message)) == (TRUNCATED, True)
    assert 20 < result.scanned_s < 40
    assert result.calls() == pytest.approx(result.scanned_s / 4, abs=1.1)
    assert result.events[-1].end_s <= result.scanned_s


GOOD = {
    "8 bit.wav": {"subtype": "PCM_U8"},
    "24 bit.wav": {"subtype": "PCM_24"},
    "32 bit.wav": {"subtype": "PCM_32"},
    "float.wav": {"subtype": "FLOAT"},
    "double.wav": {"subtype": "DOUBLE"},
    "sound.flac": {},
    "sound.mp3": {},
    "sound.ogg": {},
    "sound.aiff": {},
    "sound.au": {},
    "two  spaces .wav": {},
    "comma, and quote'.wav": {},
    "line\nbreak.wav": {},
    "鳥のこえ.wav": {},
}


@pytest.mark.parametrize("name", GOOD)
def test_formats_and_names(tmp_path, job, name):
    write(tmp_path / name, two_calls(16000), 16000, **GOOD[name])
    (result,) = scan(tmp_path, job)
    assert (result.recording.name, result.status, result.message) == (name, OK, "")
    assert starts(result) == pytest.approx(TWO_CALLS_S, abs=0.25)


@pytest.mark.parametrize("channels", range(1, 9))
def test_calls_in_one_or_all_of_the_channels(tmp_path, job, channels):
    sound = np.repeat(two_calls()[:, None], channels, axis=1)
    write(tmp_path / "all.wav", sound, MODEL_RATE_HZ)
    sound[:, 1:] = calls(8.0, (), seed=1)[:, None]
    write(tmp_path / "one.wav", sound, MODEL_RATE_HZ)
    for result in scan(tmp_path, job):
        assert starts(result) == pytest.approx(TWO_CALLS_S, abs=0.2)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000, 96000, 192000, 384000])
def test_rates(tmp_path, job, rate_hz):
    result = scan_sound(tmp_path, job, two_calls(rate_hz), rate_hz)
    assert starts(result) == pytest.approx(TWO_CALLS_S, abs=0.2)
    assert result.duration_s == result.scanned_s == 8.0


def test_samples_that_are_no_numbers_are_told_and_the_rest_is_counted(tmp_path, job):
    sound = two_calls()
    sound[[10, 30000]] = np.nan, np.inf
    result = scan_sound(tmp_path, job, sound)
    assert result.status == OK
    assert "2 NaN or infinite samples" in result.message
    assert starts(result) == pytest.approx(TWO_CALLS_S, abs=0.2)


def text(path):
    path.write_text("recording,calls\n")


def no_samples(path):
    write(path, np.zeros(0, np.float32), MODEL_RATE_HZ)


def no_channels(path):
    edit(write(path, two_calls(), MODEL_RATE_HZ, subtype="PCM_16"), (22, "<H", 0))


BAD = {
    "empty": lambda path: path.touch(),
    "text": text,
    "no samples": no_samples,
    "no channels": no_channels,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}
if UNREADABLE.is_file():
    BAD["unreadable"] = lambda path: path.symlink_to(UNREADABLE)


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_a_row_that_says_why(tmp_path, job, kind):
    BAD[kind](tmp_path / "bad.wav")
    write(tmp_path / "good.wav", two_calls(), MODEL_RATE_HZ)
    bad, good = scan(tmp_path, job)
    assert (bad.recording.name, bad.status) == ("bad.wav", FAILED)
    assert (bad.events, bad.scanned_s) == ((), 0)
    assert bad.message
    assert "\n" not in bad.message
    assert good.calls() == 2


def test_one_stem_in_two_folders_and_a_loop_of_links(tmp_path, job):
    for folder, sound in (("a", two_calls()), ("b", calls(8.0, (3.0,)))):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "same.wav", sound, MODEL_RATE_HZ)
        (tmp_path / folder / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = {result.recording.name: result.calls() for result in scan(tmp_path, job)}
    assert found == {"a/same.wav": 2, "b/same.wav": 1}


def test_progress_adds_up_to_what_was_scanned(tmp_path, job):
    told = []
    path = write(tmp_path / "a.wav", calls(35.0, ()), MODEL_RATE_HZ)
    (recording,) = find_recordings([path])
    result = scan_file(recording, *job, lambda *heard: told.append(heard))
    assert len(told) > 1
    assert sum(seconds for seconds, _ in told) == pytest.approx(result.scanned_s)
    assert {claimed_s for _, claimed_s in told} == {35.0}


def test_pictures_show_the_scores_that_the_rules_saw(tmp_path, detector):
    path = write(tmp_path / "a.wav", two_calls(), MODEL_RATE_HZ)
    (recording,) = find_recordings([path])
    result = scan_file(recording, *job_of(detector, pictures=True))
    assert scan_file(recording, *job_of(detector)) == replace(result, picture=None)
    picture = result.picture
    assert len(picture.scores) == 63
    seen_s = (np.arange(63) + 0.5) * picture.frame_s
    for event in result.events:
        inside = (seen_s > event.start_s) & (seen_s < event.end_s)
        assert picture.scores[inside, 0].max() == pytest.approx(event.score)


def test_restless_sound_without_a_tone_holds_no_call(tmp_path, job):
    assert scan_sound(tmp_path, job, restless(60.0)).calls() == 0


@pytest.mark.parametrize(("rate_hz", "is_held"), [(2000, False), (3000, False), (4000, True)])
def test_a_recording_that_cannot_hold_the_models_band_has_no_count(tmp_path, job, rate_hz, is_held):
    result = scan_sound(tmp_path, job, two_calls(4000)[:: 4000 // rate_hz], rate_hz)
    if is_held:
        assert result.status == OK
        return
    assert (result.status, result.events) == (FAILED, ())
    assert f"recorded at {rate_hz} Hz it holds no sound above {rate_hz // 2} Hz" in result.message
    assert "Record at 6000 Hz or more" in result.message
