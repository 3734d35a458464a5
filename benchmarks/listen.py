"""What it takes to listen: the time from a call's end to its line, and the processor's.

    python -m benchmarks.listen [--recordings 3] [--model BUNDLE] [--microphone]

Forest recordings are fed to ``callcount listen`` one after the other as they would come from a
recorder, 10 ms of 48 kHz WAV at a time, in real time; with ``--microphone`` they are played into a
PulseAudio sink of their own, whose monitor is the microphone.

Latency is from the moment at which the call's last sample (``end_s``) was given to the pipe, to
that at which its line is read from it. Of a microphone the moment is that of ``start_time`` and the
event's length. "Beyond the rules" is without what has to be waited for: the model's context, half
of the smoothing, the gap. CPU is user and system time of the process over the sound's length,
without the interpreter's start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import soundfile as sf

from benchmarks.children import ROOT
from benchmarks.common import forest_recordings, markdown_table
from counter.bundle import Bundle, read_bundle, shipped_path

RATE_HZ = 48_000
STEP_S = 0.01
SINK = "callcount_benchmark"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Heard:
    """One listening: lines with the moment they came, and what it took."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    cpu_s: float = 0.0
    sound_s: float = 0.0
    peak_mb: float = 0.0


def waited_s(bundle: Bundle) -> float:
    """What an event has to wait for after its end, the longest of all labels."""
    spec = bundle.spec
    longest = max(
        one.smooth_s / 2 + max(one.gap_s, spec.timebase.frame_s) for one in spec.rules.values()
    )
    return longest + spec.context_frames * spec.timebase.frame_s


@contextmanager
def listening(
    bundle: Bundle, *arguments: str, **options: object
) -> Iterator[tuple[subprocess.Popen, Heard]]:
    """``callcount listen`` with its lines gathered as they come, and its use of the processor."""
    command = [sys.executable, "-m", "counter.cli.main", "listen", "--model", str(bundle.path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [*command, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    heard = Heard()

    def read() -> None:
        for line in iter(child.stdout.readline, b""):
            heard.lines.append((time.time(), line.decode()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield child, heard
    finally:
        child.kill()
        child.wait()
        reader.join()


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_S


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def wait_until_listening(child: subprocess.Popen) -> None:
    """Read its standard error to where it begins, then let nothing block it."""
    for line in iter(child.stderr.readline, b""):
        if line.startswith(b"Listening"):
            threading.Thread(target=child.stderr.read, daemon=True).start()
            return
    sys.exit("callcount listen did not begin")


def through_pipe(bundle: Bundle, path: Path) -> tuple[Heard, list[float]]:
    """Listen to a recording in real time; latency of each event, seconds."""
    sound, rate_hz = sf.read(path, dtype="int16", always_2d=True)
    step = int(rate_hz * STEP_S)
    raw = ("--rate", str(rate_hz), "--channels", str(sound.shape[1]))
    with listening(bundle, "--input", "-", *raw, stdin=subprocess.PIPE) as (child, heard):
        child.stdin.write(sound[:step].tobytes())
        child.stdin.flush()
        wait_until_listening(child)
        begun_s, before_s = time.time() - STEP_S, cpu_s(child.pid)
        for at in range(step, len(sound), step):
            time.sleep(max(0.0, begun_s + (at + step) / rate_hz - time.time()))
            child.stdin.write(sound[at : at + step].tobytes())
            child.stdin.flush()
        heard.cpu_s, heard.peak_mb = cpu_s(child.pid) - before_s, peak_mb(child.pid)
        child.stdin.close()
        child.wait()
    heard.sound_s = len(sound) / rate_hz
    # those that the end of the stream decided waited for less than the rules say
    ended = [(when, float(line.split()[2])) for when, line in heard.lines]
    latest_s = heard.sound_s - waited_s(bundle) - 1.5
    return heard, [when - begun_s - end_s for when, end_s in ended if end_s < latest_s]


@contextmanager
def room() -> Iterator[None]:
    """A PulseAudio of our own whose one sink's monitor is the microphone."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(XDG_RUNTIME_DIR=folder, HOME=folder, PULSE_SOURCE=f"{SINK}.monitor")
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        options += ["--load=module-native-protocol-unix"]
        options += [f"--load=module-null-sink sink_name={SINK} rate={RATE_HZ}"]
        server = subprocess.Popen(["pulseaudio", *options], stderr=subprocess.DEVNULL)
        try:
            time.sleep(2.0)
            yield
        finally:
            server.terminate()
            server.wait()


def through_microphone(bundle: Bundle, path: Path) -> tuple[Heard, list[float]]:
    """Listen to a virtual microphone into which a recording is played."""
    with tempfile.TemporaryDirectory() as folder:
        played = Path(folder) / "played.wav"
        sound, rate_hz = sf.read(path, dtype="int16")
        sf.write(played, sound, rate_hz, subtype="PCM_16")
        wanted = ("--device", "pulse", "--rate", str(RATE_HZ))
        with listening(bundle, *wanted) as (child, heard):
            wait_until_listening(child)
            begun_s, before_s = time.time(), cpu_s(child.pid)
            subprocess.run(["paplay", "-d", SINK, played], check=True)
            heard.cpu_s, heard.peak_mb = cpu_s(child.pid) - before_s, peak_mb(child.pid)
            heard.sound_s = time.time() - begun_s
            time.sleep(waited_s(bundle) + 2.0)
    return heard, [when - _ended_at(line) for when, line in heard.lines]


def _ended_at(line: str) -> float:
    start_s, _, end_s, *_, began_at = line.split()
    return datetime.fromisoformat(began_at).timestamp() + float(end_s) - float(start_s)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--recordings", type=int, default=3, help="of 180 s each (3)")
    parser.add_argument("--model", type=Path, help="bundle (the one that ships)")
    parser.add_argument("--microphone", action="store_true", help="play into PulseAudio instead")
    options = parser.parse_args()
    bundle = read_bundle(options.model or shipped_path())
    files = forest_recordings()[: options.recordings]
    measure = through_microphone if options.microphone else through_pipe
    with room() if options.microphone else tempfile.TemporaryDirectory():
        found = [measure(bundle, path) for path in files]
    latencies = sorted(one for _, some in found for one in some)
    beyond = [one - waited_s(bundle) for one in latencies]
    shares = [100 * heard.cpu_s / heard.sound_s for heard, _ in found]
    rows = [
        ("events", "", len(latencies)),
        ("a call's end to its line, s", "", _spread(latencies)),
        (
            f"the same beyond the rules and the context ({waited_s(bundle):.2f} s)",
            "1.5",
            _spread(beyond),
        ),
        ("share of one core, %", "15", _spread(shares)),
        ("peak memory, MB", "", _spread([heard.peak_mb for heard, _ in found])),
    ]
    print(markdown_table(("figure", "bar", "measured"), rows))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
