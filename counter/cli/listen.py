"""``callcount listen``: a microphone or a stream -> events, as they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.ruleoptions import bundle_options
from counter.live.formatnames import SAMPLE_FORMATS


@click.command(short_help="Count calls while they are heard.")
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
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="New file for the events, a line each as it ends: events.jsonl or events.csv. [none]",
)
@click.option(
    "--clips",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New folder for the sound of each event, with 1 s on either side (FLAC, mono). [none]",
)
@bundle_options("listen")
@click.pass_context
def listen(context: click.Context, list_devices: bool, **flags: Any) -> None:
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
    from counter.cli.listening import ListenFlags, print_devices, run_listen

    if list_devices:
        print_devices()
        return
    context.exit(run_listen(ListenFlags(**flags)))
