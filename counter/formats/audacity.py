"""Audacity labels: a text file a recording, since labels name no file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from counter.errors import OutputError
from counter.storage.atomic import atomic_text
from counter.storage.file_names import is_device, shortened
from counter.tables.event_rows import EventRow, ScanEvents

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
        names = list(names)
        for file in map(label_namer(names), names):
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
        file_of = label_namer(result.recording.name for result in events.results)
        made = set()
        for recording, rows in events.by_recording():
            path = folder / self.path / file_of(recording.name)
            if path.parent not in made:
                _make(path.parent)
                made.add(path.parent)
            with atomic_text(path) as out:
                out.writelines(map(_line, rows))


def label_namer(names: Iterable[str]) -> Callable[[str], str]:
    """A function from a recording's name to its label file, which stays below where it is put.

    It gives a path with ``/``. No two of the names, each there once, get files that differ in case
    alone.
    """
    seen: set[str] = set()
    alike: set[str] = set()
    for name in names:
        folded = _file(name, has_case=True).casefold()
        (alike if folded in seen else seen).add(folded)

    def file(name: str) -> str:
        found = _file(name, has_case=True)
        return _file(name, has_case=False) if found.casefold() in alike else found

    return file


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


def _file(name: str, *, has_case: bool) -> str:
    text = name.encode("utf-8", "backslashreplace").decode()
    return "/".join(_part(part, has_case=has_case) for part in text.split("/")) + _SUFFIX


def _part(part: str, *, has_case: bool) -> str:
    """A folder or file name that is one everywhere, and neither ``.`` nor ``..``.

    Without ``has_case`` what has case is escaped as well.
    """
    unsafe = {found.start() for found in _UNSAFE.finditer(part)}
    if is_device(part):
        unsafe.add(0)
    if not has_case:
        unsafe |= {place for place, char in enumerate(part) if char != char.casefold()}
    if unsafe or not part:
        chars = (_escaped(char) if n in unsafe else char for n, char in enumerate(part or "_"))
        part = "".join(chars)
    if len(part.encode()) <= _MAX_PART_BYTES:
        return part
    return shortened(part, _MAX_PART_BYTES, of=part)


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())
