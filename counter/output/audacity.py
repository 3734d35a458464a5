"""Events as Audacity labels: a text file a recording, since labels name no file.

A line is start, end and label, parted by tabs, seconds with three digits; Audacity itself saves
six. So labels that a person saved again are known, and never replaced or removed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from counter.errors import OutputError
from counter.output.eventrows import EventRow, ScanEvents
from counter.output.paths import atomic_write

_SUFFIX = ".txt"
_OWN_LINE = re.compile(r"\d+\.\d{3}\t\d+\.\d{3}\t[^\t]*\n")
# What Windows allows in no name, what ends none there, and the mark of our own escapes.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]|%(?=[0-9A-Fa-f]{2})|[. ]\Z|^\.(?=\.?\Z)')
_MAX_PART_BYTES = 200


class AudacityLabels:
    """``audacity/<folder>/<file>.txt`` for every recording that did not fail, as its folders are.

    Characters that a file system may refuse are written as ``%3A`` and the like, which callcount
    reads again; a longer name is cut and gets a digest.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def check(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure that no label file of somebody else has a name that is wanted."""
        base = folder / self.path
        if not os.path.lexists(base):
            return
        if not base.is_dir():
            raise OutputError.clash(base)
        for file in label_files(names).values():
            _check_file(base, file)

    def remove(self, folder: Path) -> None:
        """Remove the label files of earlier scans, and the folders that are empty then."""
        for place, _, files in os.walk(folder / self.path, topdown=False):
            for file in files:
                path = Path(place, file)
                if file.endswith(_SUFFIX) and not path.is_symlink() and is_own_labels(path):
                    path.unlink()
            if not os.listdir(place):
                os.rmdir(place)

    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write a file a recording; an empty one where nothing was heard."""
        files = label_files(result.recording.name for result in events.results)
        made = set()
        for recording, rows in events.by_recording():
            path = folder / self.path / files[recording.name]
            if path.parent not in made:
                _make(path.parent)
                made.add(path.parent)
            with (
                atomic_write(path) as temporary,
                temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as out,
            ):
                out.writelines(map(_line, rows))


def label_files(names: Iterable[str]) -> dict[str, str]:
    """The label file of each recording, as a path with ``/`` that stays below where it is put.

    No two differ in case alone.

    Parameters
    ----------
    names : iterable of str
        Names of recordings, each once.
    """
    files = {name: _file(name, is_alike=False) for name in names}
    alike = Counter(file.casefold() for file in files.values())
    return {
        name: _file(name, is_alike=True) if alike[file.casefold()] > 1 else file
        for name, file in files.items()
    }


def is_own_labels(path: Path) -> bool:
    """Whether every line of a file is one as callcount writes them; an empty file has none."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return all(_OWN_LINE.fullmatch(line) for line in lines)
    except UnicodeDecodeError:
        return False


def _check_file(base: Path, file: str) -> None:
    path = base / file
    for parent in (one for one in path.parents if base in one.parents):
        if os.path.lexists(parent) and (parent.is_symlink() or not parent.is_dir()):
            raise OutputError.clash(parent)
    if os.path.lexists(path) and not (path.is_file() and is_own_labels(path)):
        raise OutputError.clash(path)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.unwritable(folder, error) from error


def _line(row: EventRow) -> str:
    label = " ".join(row.label.split())
    return f"{row.text('start_s')}\t{row.text('end_s')}\t{label}\n"


def _file(name: str, *, is_alike: bool) -> str:
    text = name.encode("utf-8", "backslashreplace").decode()
    return "/".join(_part(part, is_alike=is_alike) for part in text.split("/")) + _SUFFIX


def _part(part: str, *, is_alike: bool) -> str:
    """A folder or file name that is one everywhere, and neither ``.`` nor ``..``.

    Where a name is alike to another but for case, what has case is escaped as well.
    """
    unsafe = {found.start() for found in _UNSAFE.finditer(part)}
    chars = (
        _escaped(char) if place in unsafe or (is_alike and char != char.casefold()) else char
        for place, char in enumerate(part)
    )
    content = ("".join(chars) or "_").encode()
    if len(content) <= _MAX_PART_BYTES:
        return content.decode()
    digest = hashlib.sha256(part.encode()).hexdigest()[:10]
    return f"{content[: _MAX_PART_BYTES - len(digest) - 1].decode('utf-8', 'ignore')}-{digest}"


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())
