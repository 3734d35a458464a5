"""Errors a user can cause or meet; each says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path


class CallcountError(Exception):
    """A problem to be told to the user in one line, without a traceback.

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
        reason = error.strerror or str(error)
        return cls(f"cannot write {path}: {reason}.", "Give another name with -o.")
