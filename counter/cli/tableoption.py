"""The flag that all commands which write tables have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

SPREADSHEET_FLAG = "--spreadsheet-safe/--no-spreadsheet-safe"
SPREADSHEET_HELP = (
    "Put ' before names in tables that a spreadsheet would run as formulas. [default: safe]"
)


def spreadsheet_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flag to a command; it counts for all tables that the command writes."""
    return click.option(
        SPREADSHEET_FLAG, default=True, expose_value=False, callback=_mind, help=SPREADSHEET_HELP
    )(command)


def _mind(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    from counter.output.writing import spreadsheet_safe

    context.with_resource(spreadsheet_safe(is_wanted))
