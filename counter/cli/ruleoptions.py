"""The options about a bundle and its event rules that commands have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

# The event rules that may be given one by one.
SINGLE_RULES = ("threshold", "gap_s", "min_duration_s", "max_duration_s")


_RULES = (
    click.option(
        "--rules",
        type=click.Path(path_type=Path),
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


def bundle_options(verb: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--model``, ``--rules`` and the single rules to a command that scans or listens."""
    model = click.option(
        "--model",
        type=click.Path(path_type=Path),
        help=f"Bundle to {verb} with. "
        "[default: trained last under ./artifacts, else the one shipped]",
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((model, *_RULES)):  # the first stands first in the help
            command = option(command)
        return command

    return add
