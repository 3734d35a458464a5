"""Cells of tables that no spreadsheet takes for a formula, and how they read back.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, their full-width forms, a
tab or a line break; a file can be given such a name (OWASP, CSV injection). An apostrophe before
it makes it text. So that every cell reads back as it was, one that already begins with
apostrophes and such a character gets one more, always.
"""

from __future__ import annotations

import re

# Where the text after any apostrophes begins like a formula.
_FORMULA = re.compile("('*)[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def cell(text: str, *, is_safe: bool) -> str:
    """Text as it stands in a table.

    Parameters
    ----------
    text : str
        What the cell says; a plain number stays as it is.
    is_safe : bool
        Whether it must not look like a formula.
    """
    found = _FORMULA.match(text)
    if found and (found[1] or (is_safe and not _NUMBER.fullmatch(text))):
        return "'" + text
    return text


def plain(text: str) -> str:
    """What a cell says, whether it was made safe or not."""
    found = _FORMULA.match(text)
    return text[1:] if found and found[1] else text
