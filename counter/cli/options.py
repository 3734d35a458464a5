"""Options that commands have in common: bundle and rules, tables, paths, threads, Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from counter.storage.urls import is_url, local_path


class PathOrUrl(click.ParamType):
    """A ``Path``; of a URL the text as it is, since a ``Path`` takes two slashes for one."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | Path:
        """The text of a URL, else a ``Path``."""
        text = local_path(str(value))
        return text if is_url(text) else Path(text)


PATH = click.Path(path_type=Path)
Command = Callable[..., Any]

_RULES = (
    click.option(
        "--rules",
        type=PATH,
        metavar="FILE.yaml",
        help="Event rules alone, as `tune` writes them: one set for all labels, or a set a label.",
    ),
    click.option("--threshold", type=float, help="Score that starts an event, 0 to 1. [bundle's]"),
    click.option(
        "--gap", "gap_s", type=float, help="Bridge pauses shorter than this, s. [bundle's]"
    ),
    click.option(
        "--min-duration", "min_duration_s", type=float, help="Shortest event, s. [bundle's]"
    ),
    click.option(
        "--max-duration", "max_duration_s", type=float, help="Longest event, s. [bundle's]"
    ),
)


def model_option(verb: str) -> Callable[[Command], Command]:
    """``--model``, the bundle of a command that scans or listens."""
    text = f"Bundle to {verb} with. [default: trained last under ./artifacts, else the one shipped]"
    return click.option("--model", type=PATH, help=text)


def bundle_options(verb: str) -> Callable[[Command], Command]:
    """``--model``, ``--rules`` and the single rules of a command that scans or listens."""

    def add(command: Command) -> Command:
        for option in reversed((model_option(verb), *_RULES)):  # the first stands first in the help
            command = option(command)
        return command

    return add


def seed_option(text: str | None = None) -> Callable[[Command], Command]:
    """``--seed``, a whole number of at least 0."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help=text
    )


audio_option = click.option(
    "--audio",
    type=PATH,
    help="Folder that the recordings are in now. [default: where they were scanned]",
)
strata_option = click.option(
    "--recordings",
    type=PATH,
    help="Table with a column `recording` and the column named by --by. "
    "[default: the scan's own, with site, device and day]",
)


SPREADSHEET_FLAG = "--spreadsheet-safe/--no-spreadsheet-safe"
SPREADSHEET_HELP = (
    "Put ' before names in tables that a spreadsheet would run as formulas. [default: safe]"
)


def spreadsheet_option(command: Command) -> Command:
    """Add the flag to a command; it counts for all tables that the command writes."""
    return click.option(
        SPREADSHEET_FLAG, default=True, expose_value=False, callback=_mind, help=SPREADSHEET_HELP
    )(command)


truth_option = click.option(
    "--truth",
    required=True,
    type=click.Path(path_type=Path),
    help="Annotated calls: CSV (recording,start_s,end_s[,label]), a Raven selection table, "
    "Audacity labels, or a folder of the latter two.",
)
partial_option = click.option(
    "--partial", is_flag=True, help="Leave out truth about recordings that were not scanned."
)


def _mind(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    from counter.tables.csv import spreadsheet_safe

    context.with_resource(spreadsheet_safe(is_wanted))


ALL_SCANNED, SOME_FAILED, INTERRUPTED = 0, 1, 130


@contextmanager
def stopping_on_interrupt(stop: threading.Event, *others: signal.Signals) -> Iterator[None]:
    """The first Ctrl-C, or one of the other signals, stops in order; a second one is as usual."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {one: signal.signal(one, handle) for one in (signal.SIGINT, *others)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
