"""What ``callcount scan`` does where its results go to a URL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.markup import escape

from counter.cli.console import stdout
from counter.cli.running import INTERRUPTED
from counter.cli.scanning import run_scan
from counter.cli.scanplan import ScanSettings
from counter.remote.putting import Target
from counter.remote.urls import is_url, shown


def scan_to(
    given: Sequence[str | Path], output: str | Path, config: ScanSettings, flags: ScanSettings
) -> int:
    """Scan as ``run_scan`` does, and put the results where a URL leads; the exit code.

    Raises
    ------
    CallcountError
        As ``run_scan``; or the URL cannot be written, which is tried before the work.
    """
    if not is_url(output):
        return run_scan(given, Path(output), config, flags)
    target = Target(str(output))
    target.check()
    code = run_scan(given, target.staged, config, flags, exclude=target.folder)
    if code == INTERRUPTED:
        click.echo(f"Nothing was put to {shown(target.url)} yet.", err=True)
        return code
    n_files = target.put()
    stdout().print(f"{n_files} new or changed files put -> {escape(shown(target.url))}")
    return code
