"""What ``callcount listen`` does between its flags and its events."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

from counter.bundle import choose_bundle
from counter.cli.console import print_model, stderr, stdout
from counter.cli.finishing import calibrations_of
from counter.cli.hearing import Hearing
from counter.cli.rulefile import RuleLayers
from counter.cli.ruleoptions import SINGLE_RULES
from counter.cli.running import stopping_on_interrupt
from counter.config import EventRules
from counter.detector import Detector
from counter.errors import AudioError, CallcountError
from counter.live.capture import Capture, Source
from counter.live.clips import HOLD_MORE_S, ClipKeeper, check_clip_folder
from counter.live.eventfile import EventFile, EventRows, check_event_file
from counter.live.listener import LIVE_CHUNK_S, Listener
from counter.live.microphone import Microphone, list_devices
from counter.live.streams import Expected, StreamSource
from counter.records import Event, FloatArray

ENDED, FAILED_ON_THE_WAY = 0, 1
_MAX_HOLD_S = 600.0


@dataclass(frozen=True)
class ListenFlags:
    """The flags as they were given; ``None`` where one was not."""

    stream: str | None = None
    device: str | None = None
    rate_hz: int | None = None
    channels: int | None = None
    sample_format: str | None = None
    output: Path | None = None
    clips: Path | None = None
    model: Path | None = None
    rules: Path | None = None
    threshold: float | None = None
    gap_s: float | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None

    def single_rules(self) -> dict[str, float]:
        """The event rules that are given one by one."""
        given = {name: getattr(self, name) for name in SINGLE_RULES}
        return {name: value for name, value in given.items() if value is not None}


def print_devices() -> None:
    """Print a table of the microphones.

    Raises
    ------
    CallcountError
        There is none, or what it takes is not installed.
    """
    devices = list_devices()
    if not devices:
        raise CallcountError(
            "no device of this machine records.", "Feed a stream with --input - instead."
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("number", "name", "channels", "rate Hz", ""):
        table.add_column(title, justify="left" if title in ("name", "") else "right")
    for one in devices:
        default = "default" if one.is_default else ""
        cells = str(one.number), escape(one.name), str(one.channels), str(one.rate_hz)
        table.add_row(*cells, default)
    stdout().print(table)


def run_listen(flags: ListenFlags) -> int:
    """Listen until the sound ends or Ctrl-C; the exit code.

    Raises
    ------
    CallcountError
        Settings, a bundle, a device or a stream that are wrong, or outputs that clash.
    """
    _check(flags)
    bundle, which = choose_bundle(flags.model, Path("artifacts"))
    layers = RuleLayers({}, flags.rules, flags.single_rules())
    rules, _ = layers.over(bundle.spec.rules)
    print_model(bundle, which)
    with ExitStack() as stack:
        detector = stack.enter_context(Detector(bundle, chunk_s=LIVE_CHUNK_S))
        source = _source(flags)
        stack.callback(source.stop)
        return _Session(detector, rules, source, flags, stack).run()


def _check(flags: ListenFlags) -> None:
    if flags.stream is None and flags.sample_format is not None:
        raise CallcountError("--sample-format is about raw samples.", "Give --input - as well.")
    if flags.stream is not None and flags.device is not None:
        raise CallcountError("--input and --device are both given.", "Give one of them.")
    if flags.output is not None:
        check_event_file(flags.output)
    if flags.clips is not None:
        check_clip_folder(flags.clips)


def _source(flags: ListenFlags) -> Source:
    if flags.stream is None:
        return Microphone(flags.device, flags.rate_hz, flags.channels or 1)
    name = "stdin" if flags.stream == "-" else flags.stream
    expected = Expected(flags.rate_hz, flags.channels, flags.sample_format)
    try:
        raw = io.FileIO(0 if flags.stream == "-" else flags.stream, closefd=flags.stream != "-")
        if raw.isatty():
            raise AudioError("is a terminal.", "Pipe sound into it: arecord -t wav | callcount ...")
        return StreamSource(raw, name, expected)
    except AudioError as error:
        raise AudioError(f"{name} {error.what.rstrip('.')}.", error.fix) from error
    except OSError as error:
        raise AudioError(f"cannot read {name}: {error.strerror or error}.") from error


class _Session:
    """One listening, from its first sample to its last event."""

    def __init__(
        self,
        detector: Detector,
        rules: Mapping[str, EventRules],
        source: Source,
        flags: ListenFlags,
        stack: ExitStack,
    ) -> None:
        spec = detector.bundle.spec
        self._source = source
        self._capture = Capture()
        self._listener = Listener(detector, rules, source.rate_hz)
        self._rows = EventRows(source.name, spec, calibrations_of(spec))
        self._file: EventFile | None = None
        if flags.output is not None:
            self._file = stack.enter_context(EventFile(flags.output, self._rows.columns))
        self._clips: ClipKeeper | None = None
        if flags.clips is not None:
            longest_s = max(one.max_duration_s for one in rules.values())
            hold_s = min(longest_s + HOLD_MORE_S, _MAX_HOLD_S)
            self._clips = ClipKeeper(flags.clips, source.rate_hz, hold_s)
        self._hearing = Hearing(spec.labels, source.rate_hz)

    def run(self) -> int:
        """Hear all; the exit code."""
        stop = threading.Event()
        said = f"Listening to {self._source.name} at {self._source.rate_hz} Hz. Events are told "
        said += f"{self._listener.waits_s:.1f} s after their end. Ctrl-C ends it."
        stderr().print(escape(said))
        with stopping_on_interrupt(stop, signal.SIGTERM), self._hearing:  # as a service is stopped
            self._source.start(self._capture)
            while self._hear_some(is_last=self._capture.is_over):
                if not self._capture.is_over:
                    self._source.check()
                if stop.is_set():
                    self._source.stop()
                    self._capture.end()
            self._give(self._listener.finish())
            if self._clips is not None:
                self._clips.finish()
        return self._conclude()

    def _hear_some(self, *, is_last: bool) -> bool:
        """Score what waits; whether more may come."""
        blocks = self._capture.take()
        parts = [part for one in blocks for part in (np.zeros(one.n_lost, "f4"), one.samples)]
        if parts:
            self._hear(np.concatenate(parts))
        return bool(blocks) or not is_last

    def _hear(self, mono: FloatArray) -> None:
        if self._clips is not None:
            self._clips.push(mono)
        events = self._listener.push(mono)
        heard_s, n_overruns = self._listener.heard_s, self._capture.n_overruns
        self._give(events)
        self._hearing.heard(mono, self._listener.latest, heard_s, n_overruns)

    def _give(self, events: list[Event]) -> None:
        for event in events:
            row = self._rows.row(event, self._source.begun)
            if self._file is not None:
                self._file.add(row)
            self._hearing.event(row)
            if self._clips is not None:
                self._clips.add(row)

    def _conclude(self) -> int:
        click.echo(self._hearing.total(), err=True)
        if self._clips is not None and self._clips.n_missed:
            n_missed = self._clips.n_missed
            click.echo(f"{n_missed} events have no clip: they began too long before", err=True)
        if self._capture.note:
            click.echo(f"{self._source.name}: {self._capture.note}", err=True)
        if self._capture.failure:
            click.echo(f"Error: {self._capture.failure}; what was heard is written.", err=True)
            return FAILED_ON_THE_WAY
        return ENDED
