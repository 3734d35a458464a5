"""``callcount listen``: a microphone or a stream to events, as they end."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from counter.bundle import choose_bundle
from counter.cli.console import number_columns, plain_table, print_model, stderr, stdout
from counter.cli.options import PATH, bundle_options, stopping_on_interrupt
from counter.detector import Detector
from counter.errors import AudioError, CallcountError
from counter.events.rules import EventRules, RuleLayers
from counter.live.capture import Capture
from counter.live.event_output import (
    HOLD_MORE_S,
    ClipKeeper,
    EventFile,
    EventRows,
    check_clip_folder,
    check_event_file,
)
from counter.live.listener import LIVE_CHUNK_S, Listener
from counter.live.microphone import Microphone, list_devices
from counter.live.stream_input import SAMPLE_FORMATS, Expected, StreamSource
from counter.records import Event, FloatArray
from counter.tables.event_rows import EventRow


@click.command()
@click.option(
    "--input",
    "stream",
    metavar="-|FILE",
    help="Hear a stream instead of a microphone: WAV, or raw samples with --rate; - is the "
    "standard input, else a file or named pipe.",
)
@click.option(
    "--device",
    metavar="NAME|NUMBER",
    help="Microphone; a part of its name does. [default: the system's]",
)
@click.option("--list-devices", is_flag=True, help="Show the microphones and end.")
@click.option(
    "--rate",
    "rate_hz",
    type=click.IntRange(1000, 1_000_000),
    metavar="HZ",
    help="Samples per second of raw samples, or to ask the microphone for. [the microphone's own]",
)
@click.option(
    "--channels",
    type=click.IntRange(1, 64),
    help="Channels of raw samples, or to ask the microphone for; their mean is heard. [1]",
)
@click.option(
    "--sample-format",
    type=click.Choice(tuple(SAMPLE_FORMATS)),
    help="Of raw samples, as ffmpeg names it. [s16le]",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="New file for the events, a line each as it ends: events.jsonl or events.csv. [none]",
)
@click.option(
    "--clips",
    type=PATH,
    metavar="DIR",
    help="New folder for the sound of each event, with 1 s on either side (FLAC, mono). [none]",
)
@bundle_options("listen")
def listen(  # noqa: PLR0913, one for each option
    stream: str | None,
    device: str | None,
    list_devices: bool,
    rate_hz: int | None,
    channels: int | None,
    sample_format: str | None,
    output: Path | None,
    clips: Path | None,
    model: Path | None,
    rules: Path | None,
    **single_rules: float | None,
) -> int:
    """Count calls in the sound of a microphone, or of a stream, while it is heard.

    Each event is printed, and written with -o, as soon as nothing that follows can change it: when
    the model has heard what it looks at after a call (its context), and the gap and the smoothing
    of the event rules are over. Events are those that `scan` finds in the same sound.

    \b
        callcount listen -o events.jsonl --clips clips/
        arecord -q -f S16_LE -r 48000 -t wav | callcount listen --input -
        ffmpeg -v error -i https://host/stream -f wav - | callcount listen --input -

    A microphone needs `pip install 'callcount[live]'`. A machine that is too busy for 10 s loses
    sound of a microphone: overruns are counted and shown, what was lost is taken as silence. A
    stream is never lost, but waits.

    Ctrl-C (or SIGTERM) ends it in order: what was heard is decoded as at the end of a recording.

    Exit code: 0 ended by Ctrl-C or with its stream, 1 the device or stream failed on the way (what
    was heard is written), 2 usage, or nothing to hear, 130 a second Ctrl-C.
    """
    if list_devices:
        _print_devices()
        return ENDED
    if stream is None and sample_format is not None:
        raise CallcountError("--sample-format is about raw samples.", "Give --input - as well.")
    if stream is not None and device is not None:
        raise CallcountError("--input and --device are both given.", "Give one of them.")
    if output is not None:
        check_event_file(output)
    if clips is not None:
        check_clip_folder(clips)
    bundle, which = choose_bundle(model, Path("artifacts"))
    given = {name: value for name, value in single_rules.items() if value is not None}
    rules_of, _ = RuleLayers({}, rules, given).over(bundle.spec.rules)
    print_model(bundle, which)
    with ExitStack() as stack:
        detector = stack.enter_context(Detector(bundle, chunk_s=LIVE_CHUNK_S))
        if stream is None:
            source: Microphone | StreamSource = Microphone(device, rate_hz, channels or 1)
        else:
            source = _stream(stream, Expected(rate_hz, channels, sample_format))
        stack.callback(source.stop)
        session = _Session(source, detector, rules_of)
        session.write(output, clips, stack)
        return session.run()


# In a pipe, a line of where it is so often.
LINE_EVERY_S = 10.0
_LEVEL_OVER_S = 1.0
_REFRESH_PER_S = 4
_BAR_CELLS = 20


class ListenDisplay:
    """Level, latest scores and counts, on a terminal in place; a context manager.

    Events go to the standard output, a line each. What goes on is shown in place where that is a
    terminal, or else the standard error is; elsewhere it is a line every ten seconds there.
    """

    def __init__(self, labels: Sequence[str], rate_hz: int) -> None:
        self._labels = labels
        self._rate_hz = rate_hz
        self._counts: Counter[str] = Counter()
        self._squares: deque[tuple[float, int]] = deque()
        self._scores = np.zeros(len(labels), dtype=np.float32)
        self._received_s = 0.0
        self._n_overruns = 0
        self._out, self._err = stdout(), stderr()
        shown = self._out if self._out.is_terminal else self._err
        self._live: Live | None = None
        if shown.is_terminal:
            self._live = Live(console=shown, refresh_per_second=_REFRESH_PER_S, transient=True)
        self._next_line_s = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> ListenDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(
        self, mono: FloatArray, scores: FloatArray, received_s: float, n_overruns: int
    ) -> None:
        """More was heard: its sound, the latest scores, the seconds in all, the overruns in all."""
        if len(mono):
            self._squares.append((float(np.square(mono, dtype=np.float64).sum()), len(mono)))
        while sum(n for _, n in self._squares) > _LEVEL_OVER_S * self._rate_hz + len(mono):
            self._squares.popleft()
        self._scores, self._received_s = scores, received_s
        if n_overruns > self._n_overruns:
            self._n_overruns = n_overruns
            self._err.print(
                f"Overrun at {received_s:.1f} s: this machine is too busy, sound was lost "
                f"({n_overruns} so far)"
            )
        if self._live is not None:
            self._live.update(self._table())
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + LINE_EVERY_S
            self._err.print(escape(self.line()))

    def event(self, row: EventRow) -> None:
        """An event has ended."""
        self._counts[row.label] += 1
        when = f"  {row.start_time}" if row.start_time else ""
        text = f"{row.text('start_s')} - {row.text('end_s')} s  {row.label}  {row.text('score')}"
        if self._out.is_terminal:
            self._out.print(escape(text + when), soft_wrap=True)  # above what is shown in place
        else:
            click.echo(text + when)

    def line(self) -> str:
        """Where it is, in a line."""
        counts = [
            f"{label}: score {score:.2f}, {self._counts[label]} calls"
            for label, score in zip(self._labels, self._scores, strict=True)
        ]
        return "  ".join(
            [f"{self._received_s:.0f} s", f"level {self._level()}", *counts, self._lost()]
        )

    def total(self) -> str:
        """What was heard in all."""
        counts = ", ".join(f"{self._counts[label]} {label}" for label in self._labels)
        return f"{self._received_s:.1f} s heard: {counts}; {self._lost()}"

    def _lost(self) -> str:
        return "1 overrun" if self._n_overruns == 1 else f"{self._n_overruns} overruns"

    def _level(self) -> str:
        """Root mean square of the last second, dB below full scale."""
        n_samples = sum(n for _, n in self._squares)
        power = sum(square for square, _ in self._squares) / max(n_samples, 1)
        return f"{10 * np.log10(power):.1f} dBFS" if power > 0 else "none (digital silence)"

    def _table(self) -> Table:
        table = plain_table("label", "score", "", *number_columns("calls"))
        for label, score in zip(self._labels, self._scores, strict=True):
            bar = "#" * round(float(score) * _BAR_CELLS)
            cells = f"{score:.2f}", bar.ljust(_BAR_CELLS, "."), str(self._counts[label])
            table.add_row(escape(label), *cells)
        table.caption = f"{self._received_s:.0f} s  level {self._level()}  {self._lost()}"
        table.caption_justify = "left"
        return table


ENDED, FAILED_ON_THE_WAY = 0, 1
_MAX_HOLD_S = 600.0


def _print_devices() -> None:
    """Print a table of the microphones."""
    devices = list_devices()
    if not devices:
        raise CallcountError(
            "no device of this machine records.", "Feed a stream with --input - instead."
        )
    numbers = number_columns("channels", "rate Hz")
    table = plain_table(*number_columns("number"), "name", *numbers, "")
    for one in devices:
        default = "default" if one.is_default else ""
        cells = str(one.number), escape(one.name), str(one.channels), str(one.rate_hz)
        table.add_row(*cells, default)
    stdout().print(table)


def _stream(stream: str, expected: Expected) -> StreamSource:
    name = "stdin" if stream == "-" else stream
    try:
        raw = io.FileIO(0 if stream == "-" else stream, closefd=stream != "-")
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
        source: Microphone | StreamSource,
        detector: Detector,
        rules: Mapping[str, EventRules],
    ) -> None:
        spec = detector.bundle.spec
        self._source = source
        self._capture = Capture()
        self._listener = Listener(detector, rules, source.rate_hz)
        self._rows = EventRows(source.name, spec)
        self._file: EventFile | None = None
        self._clips: ClipKeeper | None = None
        longest_s = max(one.max_duration_s for one in rules.values())
        self._hold_s = min(longest_s + HOLD_MORE_S, _MAX_HOLD_S)
        self._display = ListenDisplay(spec.labels, source.rate_hz)

    def write(self, output: Path | None, clips: Path | None, stack: ExitStack) -> None:
        """Write events to a file, and their sound to a folder, where these are wanted."""
        if output is not None:
            self._file = stack.enter_context(EventFile(output, self._rows.columns))
        if clips is not None:
            self._clips = ClipKeeper(clips, self._source.rate_hz, self._hold_s)

    def run(self) -> int:
        """Hear all; the exit code."""
        stop = threading.Event()
        text = f"Listening to {self._source.name} at {self._source.rate_hz} Hz. Events are told "
        text += f"{self._listener.waits_s:.1f} s after their end. Ctrl-C ends it."
        stderr().print(escape(text))
        with stopping_on_interrupt(stop, signal.SIGTERM), self._display:  # as a service is stopped
            self._source.start(self._capture)
            while self._process_pending(is_last=self._capture.is_over):
                if not self._capture.is_over:
                    self._source.check()
                if stop.is_set():
                    self._source.stop()
                    self._capture.end()
            self._give(self._listener.finish())
            if self._clips is not None:
                self._clips.finish()
        return self._conclude()

    def _process_pending(self, *, is_last: bool) -> bool:
        """Score what waits; whether more may come."""
        blocks = self._capture.take()
        parts = [part for one in blocks for part in (np.zeros(one.n_lost, "f4"), one.samples)]
        if parts:
            self._process(np.concatenate(parts))
        return bool(blocks) or not is_last

    def _process(self, mono: FloatArray) -> None:
        if self._clips is not None:
            self._clips.push(mono)
        events = self._listener.push(mono)
        received_s, n_overruns = self._listener.received_s, self._capture.n_overruns
        self._give(events)
        self._display.update(mono, self._listener.latest, received_s, n_overruns)

    def _give(self, events: list[Event]) -> None:
        for event in events:
            row = self._rows.row(event, self._source.begun)
            if self._file is not None:
                self._file.add(row)
            self._display.event(row)
            if self._clips is not None:
                self._clips.add(row)

    def _conclude(self) -> int:
        click.echo(self._display.total(), err=True)
        if self._clips is not None and self._clips.n_missed:
            n_missed = self._clips.n_missed
            click.echo(f"{n_missed} events have no clip: they began too long before", err=True)
        if self._capture.note:
            click.echo(f"{self._source.name}: {self._capture.note}", err=True)
        if self._capture.failure:
            click.echo(f"Error: {self._capture.failure}; what was heard is written.", err=True)
            return FAILED_ON_THE_WAY
        return ENDED
