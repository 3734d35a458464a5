"""``callcount listen`` as a user has it: pipes, Ctrl-C, and a microphone that is PulseAudio's."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from bundles import MODEL_RATE_HZ, calls

import counter
from counter.cli.main import run

STARTS_S = [3.0, 9.0, 20.0]
LIMIT_S = 60


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_calls(path, duration_s=30.0, rate_hz=MODEL_RATE_HZ):
    sf.write(path, calls(duration_s, STARTS_S, rate_hz=rate_hz), rate_hz, subtype="PCM_16")
    return path


def environment(more=None):
    return {**os.environ, "PYTHONPATH": str(Path(counter.__file__).parents[1]), **(more or {})}


def started(bundle, *arguments, more=None, stdout=subprocess.PIPE, **options):
    """Start ``callcount listen`` in an interpreter of its own."""
    command = [sys.executable, "-m", "counter.cli.main", "listen", "--model", str(bundle.path)]
    options = {"stderr": subprocess.PIPE, **options}
    command += map(str, arguments)
    return subprocess.Popen(command, env=environment(more), stdout=stdout, **options)


def piped(bundle, data, *arguments):
    """Exit code, output lines and error text of listening to some bytes."""
    child = started(bundle, "--input", "-", *arguments, stdin=subprocess.PIPE)
    out, err = child.communicate(data, timeout=LIMIT_S)
    return child.returncode, out.decode().splitlines(), err.decode()


def rows(path):
    with path.open(newline="") as file:
        return [{**row, "recording": ""} for row in csv.DictReader(file)]


@pytest.mark.parametrize("rate_hz", [MODEL_RATE_HZ, 44100])
def test_a_file_through_a_pipe_gives_the_rows_of_its_scan(work, tone_bundle, rate_hz):
    sound = write_calls(work / "a.wav", rate_hz=rate_hz)
    model = ["--model", str(tone_bundle.path)]
    assert run(["scan", str(sound), "-o", "scan.csv", "--no-plots", *model]) == 0
    arguments = ["-o", "live.csv", "--clips", "clips"]
    code, out, err = piped(tone_bundle, sound.read_bytes(), *arguments)
    assert (code, len(out)) == (0, 3)
    assert "30.0 s heard: 3 tone; 0 overruns" in err
    assert rows(work / "live.csv") == rows(work / "scan" / "events.csv")
    for number, start_s in enumerate(STARTS_S, 1):
        clip, clip_hz = sf.read(work / "clips" / "tone" / f"stdin-{number}.flac")
        assert clip_hz == rate_hz
        recorded, _ = sf.read(sound)
        first = round((float(rows(work / "live.csv")[number - 1]["start_s"]) - 1) * rate_hz)
        assert abs(first / rate_hz + 1 - start_s) < 0.5
        np.testing.assert_allclose(clip, recorded[first : first + len(clip)], atol=1e-6)


def test_raw_samples_and_json_lines(work, tone_bundle):
    sound = np.repeat(calls(30.0, STARTS_S)[:, None], 2, axis=1).astype("<f4").tobytes()
    raw = ["--rate", MODEL_RATE_HZ, "--channels", 2, "--sample-format", "f32le"]
    code, _, _ = piped(tone_bundle, sound, *raw, "-o", "live.jsonl")
    assert code == 0
    told = [json.loads(line) for line in (work / "live.jsonl").read_text().splitlines()]
    assert [one["event"] for one in told] == [1, 2, 3]
    assert [round(one["start_s"]) for one in told] == STARTS_S


def wait_until_read(pipe):
    """Until a child has taken all that was written to its end of a pipe."""
    import fcntl
    import termios

    deadline = time.monotonic() + LIMIT_S
    while int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder):
        assert time.monotonic() < deadline, "the child reads no more"
        time.sleep(0.02)
    time.sleep(0.2)  # what was read last is handed on


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_events_are_told_while_the_stream_goes_on_and_ctrl_c_ends_it(work, tone_bundle, ended_by):
    """The last call is still going on when Ctrl-C comes: it counts, as at a recording's end."""
    data = write_calls(work / "a.wav").read_bytes()[: 44 + 2 * 21 * MODEL_RATE_HZ]
    child = started(tone_bundle, "--input", "-", "-o", "a.csv", stdin=subprocess.PIPE)
    try:
        child.stdin.write(data)
        child.stdin.flush()
        told = [child.stdout.readline().decode() for _ in range(2)]
        assert [float(line.split()[0]) for line in told] == pytest.approx(STARTS_S[:2], abs=0.3)
        assert len(rows(work / "a.csv")) == 2
        wait_until_read(child.stdin)
        child.send_signal(ended_by)
        out, err = child.communicate(timeout=LIMIT_S)
    finally:
        child.kill()
    assert child.returncode == 0, err
    assert len(out.splitlines()) == 1
    assert float(rows(work / "a.csv")[2]["end_s"]) == pytest.approx(21.0)
    assert b"3 tone" in err
    assert b"Traceback" not in err


def test_a_stream_that_ends_in_the_middle_is_heard_to_there(work, tone_bundle):
    data = write_calls(work / "a.wav").read_bytes()[: 44 + 2 * 12 * MODEL_RATE_HZ]
    code, out, err = piped(tone_bundle, data)
    assert (code, len(out)) == (0, 2)
    assert "ended 18.0 s before its header says" in err


def test_a_named_file_is_a_stream_as_well(work, tone_bundle, capsys):
    sound = write_calls(work / "a.wav")
    assert run(["listen", "--input", str(sound), "--model", str(tone_bundle.path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_rules_can_be_changed(work, tone_bundle, capsys):
    sound = write_calls(work / "a.wav")
    command = ["listen", "--input", str(sound), "--model", str(tone_bundle.path)]
    assert run([*command, "--max-duration", "1.0"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--input", "no.wav"], "cannot read no.wav: No such file"),
        (["--input", "."], "Is a directory"),
        (["--input", "text.txt"], "text.txt is no WAV. For raw samples give --rate"),
        (["--input", "a.wav", "--rate", "44100"], "says 8000, but --rate says 44100"),
        (["--input", "a.wav", "--device", "1"], "--input and --device are both given"),
        (["--sample-format", "u8"], "--sample-format is about raw samples"),
        (["--input", "a.wav", "-o", "a.txt"], "neither .jsonl nor .csv"),
        (["--input", "a.wav", "-o", "text.csv"], "text.csv is there already"),
        (["--input", "a.wav", "--clips", "."], "is not empty"),
        (["--input", "a.wav", "--threshold", "2"], "'threshold' = 2.0"),
        (["--input", "a.wav", "--channels", "99"], "99 is not in the range 1<=x<=64"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(work, tone_bundle, capsys, arguments, told):
    write_calls(work / "a.wav")
    for name in ("text.txt", "text.csv"):
        (work / name).write_text("hello, world")
    assert run(["listen", *arguments, "--model", str(tone_bundle.path)]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len([line for line in err.splitlines() if line.startswith("Error")]) == 1
    assert sorted(one.name for one in work.iterdir()) == ["a.wav", "text.csv", "text.txt"]


def test_a_reader_that_goes_away_ends_it_without_a_word(work, tone_bundle):
    child = started(tone_bundle, "--input", write_calls(work / "a.wav"))
    child.stdout.close()
    err = child.stderr.read()
    assert child.wait(LIMIT_S) == 1  # as click does for every command
    assert b"Traceback" not in err
    assert b"Error" not in err


@pytest.mark.parametrize("arguments", [[], ["--list-devices"]])
def test_without_sounddevice_a_microphone_says_what_to_install(
    work, tone_bundle, monkeypatch, capsys, arguments
):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert run(["listen", *arguments, "--model", str(tone_bundle.path)]) == 2
    assert "pip install 'callcount[live]'" in capsys.readouterr().err


def test_without_the_systems_portaudio_a_microphone_says_what_to_install(
    work, tone_bundle, monkeypatch, capsys
):
    (work / "sounddevice.py").write_text('raise OSError("PortAudio library not found")')
    monkeypatch.syspath_prepend(work)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    assert run(["listen", "--list-devices", "--model", str(tone_bundle.path)]) == 2
    assert "apt-get install libportaudio2" in capsys.readouterr().err


def test_a_terminal_shows_level_score_and_count(work, tone_bundle):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    more = {"TERM": "xterm", "COLUMNS": "100"}
    sound = write_calls(work / "a.wav")
    child = started(tone_bundle, "--input", sound, more=more, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # Linux says so where the other end is closed
    finally:
        os.close(ours)
    assert child.wait(LIMIT_S) == 0
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    assert "dBFS" in text
    assert re.search(r"tone\s+\d\.\d\d\s+[#.]{20}\s+\d", text)
    assert len(re.findall(r"\d - .* s  tone  \d\.\d{4}", text)) == 3


class Overflowing:
    """A sounddevice whose one microphone gives 15 s at once, a pause later 10 s, and is gone."""

    class PortAudioError(Exception):
        pass

    latency = 0.02

    def __init__(self, sound):
        self.sound = sound
        self.active = True

    def query_devices(self, device, kind):
        return {"name": "Made  up", "index": 3, "default_samplerate": float(MODEL_RATE_HZ)}

    def InputStream(self, *, blocksize, callback, **asked):  # noqa: N802 - as sounddevice has it
        assert asked == {
            "device": 3,
            "samplerate": MODEL_RATE_HZ,
            "channels": 1,
            "dtype": "float32",
        }
        self.blocks = self.sound.reshape(-1, blocksize, 1)
        self.callback = callback
        return self

    def _give(self, blocks, *, is_lossy=False):
        for block in blocks:
            self.callback(block, len(block), None, SimpleNamespace(input_overflow=is_lossy))

    def start(self):
        self._give(self.blocks[:150])
        threading.Thread(target=self._go_on).start()

    def _go_on(self):
        time.sleep(2)
        self._give(self.blocks[150:249])
        self._give(self.blocks[249:], is_lossy=True)
        time.sleep(0.5)
        self.active = False

    def abort(self, *, ignore_errors):
        self.active = False

    close = abort


def test_overruns_are_told_and_leave_the_times_right(work, tone_bundle, monkeypatch, capsys):
    sound = calls(25.0, [3.0, 12.0, 16.0, 20.0])
    monkeypatch.setitem(sys.modules, "sounddevice", Overflowing(sound))
    model = ["--model", str(tone_bundle.path)]
    assert run(["listen", "-o", "live.csv", *model]) == 1
    out, err = capsys.readouterr()
    assert [round(float(row["start_s"])) for row in rows(work / "live.csv")] == [3, 16, 20]
    assert len(out.splitlines()) == 3
    assert "Overrun at" in err
    assert re.search(r"25\.\d s heard: 3 tone; 2 overruns", err)
    assert "Error: device Made up disappeared" in err


# a real microphone: the monitor of a PulseAudio sink that goes nowhere

SINK = "callcount_test"


class Room:
    """A PulseAudio of our own with one sink, whose monitor is the microphone."""

    def __init__(self, folder):
        self.more = {
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
            "PULSE_SOURCE": f"{SINK}.monitor",
        }
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        options += ["--load=module-native-protocol-unix"]
        options += [f"--load=module-null-sink sink_name={SINK} rate=48000"]
        self.server = subprocess.Popen(
            ["pulseaudio", *options], env=environment(self.more), stderr=subprocess.DEVNULL
        )

    def control(self, *arguments):
        command = ["pactl", *arguments]
        done = subprocess.run(command, env=environment(self.more), capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def play(self, path):
        subprocess.run(["paplay", "-d", SINK, path], env=environment(self.more), check=True)


@pytest.fixture
def room(tmp_path):
    try:
        import_module("sounddevice")
    except (ImportError, OSError) as error:  # the second: without the system's PortAudio
        pytest.skip(f"sounddevice cannot be used: {error}")
    for program in ("pulseaudio", "pactl", "paplay"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    folder = tmp_path / "pulse"
    folder.mkdir(mode=0o700)
    one = Room(folder)
    try:
        until = time.monotonic() + 10
        while SINK not in one.control("list", "short", "sources"):
            if time.monotonic() > until or one.server.poll() is not None:
                pytest.skip("PulseAudio does not start here")
            time.sleep(0.1)
        yield one
    finally:
        one.server.terminate()
        one.server.wait(10)


def wait_for(child, text):
    """Read standard error up to a line that holds a text."""
    for line in iter(child.stderr.readline, b""):
        if text in line:
            return
    pytest.fail(f"never said {text!r}")


@pytest.fixture
def listening(room, tone_bundle, work):
    child = started(
        tone_bundle,
        *("--device", "pulse", "--rate", "48000", "-o", "live.csv", "--clips", "clips"),
        more=room.more,
    )
    try:
        wait_for(child, b"Listening to pulse at 48000 Hz")
        yield child
    finally:
        child.kill()
        child.wait()


def test_a_virtual_microphone_hears_what_is_played(room, tone_bundle, work, listening):
    shown = subprocess.run(
        [*listening.args[:4], "--list-devices"],
        env=environment(room.more),
        capture_output=True,
        text=True,
    )
    assert re.search(r"\d+\s+pulse\s+\d+\s+\d+", shown.stdout)
    time.sleep(1.0)
    room.play(write_calls(work / "played.wav", 13.0, rate_hz=48000))
    time.sleep(1.0)
    listening.send_signal(signal.SIGINT)
    out, err = listening.communicate(timeout=LIMIT_S)
    assert listening.returncode == 0, err
    assert len(out.splitlines()) == 2
    first, second = rows(work / "live.csv")
    # the tone bundle knows the calls by their pitch, at any level
    distance_s = float(second["start_s"]) - float(first["start_s"])
    assert distance_s == pytest.approx(STARTS_S[1] - STARTS_S[0], abs=0.2)
    assert re.match(r"\d{4}-\d\d-\d\dT.*[+-]\d\d:\d\d", first["start_time"])
    clip, rate_hz = sf.read(work / "clips" / "tone" / "pulse-1.flac")
    assert rate_hz == 48000
    assert len(clip) / rate_hz == pytest.approx(3.5, abs=0.5)
    assert np.abs(clip).max() > 0.1


def test_a_microphone_that_disappears_is_told_and_what_was_heard_is_written(
    room, tone_bundle, work, listening
):
    time.sleep(1.0)
    room.play(write_calls(work / "played.wav", 5.0, rate_hz=48000))
    room.server.terminate()
    out, err = listening.communicate(timeout=LIMIT_S)
    assert listening.returncode == 1, err
    assert b"Error: device pulse disappeared" in err
    assert b"Traceback" not in err
    assert len(out.splitlines()) == len(rows(work / "live.csv")) == 1


def test_a_microphone_that_is_not_there_or_cannot_do_it(room, tone_bundle):
    for arguments, told in (
        (["--device", "nosuch"], b"no device 'nosuch' that records"),
        (["--device", "pulse", "--channels", "60"], b"cannot record 60 channel"),
        (["--device", "pulse", "--rate", "1000000"], b"at 1000000 Hz"),
    ):
        child = started(tone_bundle, *arguments, more=room.more)
        _, err = child.communicate(timeout=LIMIT_S)
        assert child.returncode == 2
        assert told in err
        assert err.count(b"\n") <= 2  # the model, and the error
