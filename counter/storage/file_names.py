"""File names that every system takes: no device of Windows, no ending it drops, not too long."""

from __future__ import annotations

import hashlib
import ntpath
import os
import re
import unicodedata
from pathlib import PurePath, PureWindowsPath

from counter.errors import OutputError

# Windows takes these for devices, in any folder and with any suffix.
_DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[1-9\u00b9\u00b2\u00b3]) *(\..*)?",
    re.IGNORECASE | re.DOTALL,
)
# What Windows allows in no name, and what it drops at the end of one.
_REFUSED = re.compile(r'[\x00-\x1f<>:"/\\|?*]|[. ]\Z')
# Without long paths, which are to be switched on, a path and the zero after it hold so many.
MAX_PATH = 260
_LONG = "\\\\?\\"


def is_device(name: str) -> bool:
    """Whether Windows takes a file name for a device: ``NUL``, ``com1.wav``."""
    return _DEVICE.fullmatch(name) is not None


def safe_name(text: str) -> str:
    """Text as a file name that every system takes, and that reads like it.

    Letters and digits of any script, ``.``, ``-`` and ``_`` stay and all else becomes ``_``, as
    does a dot at either end; a device of Windows gets one before it. Nothing becomes ``_``.
    """
    kept = unicodedata.normalize("NFC", text)
    kept = "".join(char if _is_kept(char) else "_" for char in kept)
    kept = re.sub(r"^\.|\.\Z", "_", kept) or "_"
    return f"_{kept}" if is_device(kept) else kept


def _is_kept(char: str) -> bool:
    return char in "-_." or unicodedata.category(char)[0] in "LMN"


def shortened(name: str, most_bytes: int, *, of: str) -> str:
    """The beginning of a name, and a digest of what it is ``of``, in so many bytes of UTF-8."""
    digest = "-" + hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return name.encode()[: most_bytes - len(digest)].decode("utf-8", "ignore") + digest


def check_names(output: PurePath, *, is_windows: bool = os.name == "nt") -> None:
    """Make sure, before the work, that Windows takes each name in an output's path.

    A colon would part a name from a stream inside the file, without a word.

    Raises
    ------
    OutputError
        It does not.
    """
    path = PureWindowsPath(output)
    names = [one for one in path.parts if one not in (path.anchor, "..")] if is_windows else []
    for name in names:
        if _REFUSED.search(name) or is_device(name):
            raise OutputError(
                f"-o {output}: Windows takes no file or folder named {name!r}.",
                'Leave out < > : " | ? *, a dot or space at the end, and names such as CON or NUL.',
            )


def system_path(path: str, *, is_windows: bool = os.name == "nt") -> str:
    r"""A path as it can be opened: on Windows with ``\\?\`` before one that is too long else."""
    full = ntpath.abspath(path) if is_windows else ""
    if len(full) < MAX_PATH or full.startswith(_LONG):
        return path
    return f"{_LONG}UNC{full[1:]}" if full.startswith("\\\\") else f"{_LONG}{full}"
