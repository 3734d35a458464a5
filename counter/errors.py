"""Errors a user can cause or meet; each says what is wrong, where, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Windows' numbers: of a file that another program holds, and of a path that leads nowhere, which
# is what it says of one that is too long with the name of a temporary file at its end.
IN_USE = (5, 32)
_NO_PATH, _LONG_PATH = (3, 206), 230


class CallcountError(Exception):
    """A mistake or a problem in one line: what is wrong, where, and what to do.

    Parameters
    ----------
    what : str
        What is wrong, with file, row and value where there are any.
    fix : str
        What the user can do about it; empty where there is nothing to add.
    """

    exit_code = 2

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what} {fix}".strip())


class ConfigError(CallcountError):
    """A setting that is unknown, of the wrong type or out of range."""


class BundleError(CallcountError):
    """A model folder that is missing, incomplete, changed or too new."""


class AudioError(CallcountError):
    """A recording or clip that cannot be read; it costs that one file, never the run."""


class ClipError(CallcountError):
    """Training clips that are missing, empty, undecodable or too few."""


class OutputError(CallcountError):
    """An output path that clashes or cannot be written."""

    @classmethod
    def clash(cls, path: Path) -> OutputError:
        """What to say of something in the way that callcount did not make."""
        return cls(
            f"{path} exists and was not made by callcount.",
            "Move it away or give another name with -o.",
        )

    @classmethod
    def unwritable(cls, path: Path, error: OSError) -> OutputError:
        """What to say when the system refuses to write ``path``."""
        reason = (error.strerror or str(error)).rstrip(".")
        fix = "Give another name with -o."
        number = getattr(error, "winerror", None)
        if number in IN_USE:
            fix = (
                "If another program, such as Excel, has it open, close it there and run the same "
                "command again; else give another name with -o."
            )
        elif number in _NO_PATH and len(os.path.abspath(path)) > _LONG_PATH:
            fix = "Windows takes no path of 260 letters or more: give a shorter one with -o."
        return cls(f"cannot write {path}: {reason}.", fix)


@contextmanager
def output_errors(path: Path, *, is_folder: bool = False) -> Iterator[None]:
    """Make an error of the file system in this block an ``OutputError`` about ``path``.

    Of a folder, it is about the file in it that the system names, if any.
    """
    try:
        yield
    except OSError as error:
        named = error.filename if is_folder else None
        raise OutputError.unwritable(Path(named or path), error) from error
