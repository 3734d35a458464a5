"""Files and folders in, the list of recordings out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile as sf

from counter.errors import CallcountError
from counter.records import Recording

# Headerless, kept in two files, or a suffix that mostly means tables of numbers.
_NOT_BY_SUFFIX = {"RAW", "SD2", "MAT4", "MAT5"}
_USUAL_SUFFIXES = {
    "AIFF": ("aif", "aiff", "aifc"),
    "AU": ("au", "snd"),
    "IRCAM": ("sf",),
    "MP3": ("mp3", "mp2"),
    "MPC2K": (),
    "NIST": ("nist", "sph"),
    "OGG": ("ogg", "oga", "opus"),
    "SVX": ("iff", "svx", "8svx"),
    "WAV": ("wav", "wave", "bwf"),
    "WAVEX": (),
}


def suffixes() -> tuple[str, ...]:
    """Endings of the files that are looked for in folders: lower case, with the dot, sorted."""
    kinds = set(sf.available_formats()) - _NOT_BY_SUFFIX
    found = {name for kind in kinds for name in _USUAL_SUFFIXES.get(kind, (kind.lower(),))}
    return tuple(sorted(f".{name}" for name in found))


def find_recordings(paths: Sequence[str | Path], *, exclude: Path | None = None) -> list[Recording]:
    """List the recordings among files and folders.

    Folders are searched with all that is below them, links followed, in name order; hidden files
    and folders are left out. A file given by name is taken whatever its suffix. Nothing is lost
    in silence: a broken link, an unreadable file and a folder that cannot be listed each stand
    in the list, to fail as a row of their own.

    Parameters
    ----------
    paths : sequence of str or Path
        What to search, in this order.
    exclude : Path or None
        A folder not to search (the output folder), unless it is among ``paths``.

    Returns
    -------
    list of Recording
        Each file once, under the first path that leads to it; never empty. ``name`` is relative
        to the folder given, to the file's own folder, or to the common parent of several paths,
        with ``/``, and unique; bytes that are not UTF-8 are written as ``\\xff`` in it.

    Raises
    ------
    CallcountError
        A path does not exist, or there is no recording in any.
    """
    given = [os.fspath(path) for path in paths]
    for path in given:
        if not os.path.lexists(path):
            raise CallcountError(f"{_printable(path)} does not exist.", _near(path))
    base = _base(given)
    found: dict[str, str] = {}
    seen = {_identity(os.fspath(exclude))} if exclude is not None else set()
    for path in given:
        for file in _walk(path, seen) if os.path.isdir(path) else [path]:
            found.setdefault(os.path.realpath(file), file)
    if not found:
        where = ", ".join(_printable(path) for path in given) or "no path at all"
        raise CallcountError(
            f"no recordings in {where}: looked for {' '.join(suffixes())}, below it too.",
            "Check the path, or name a file itself: it is taken whatever its suffix.",
        )
    names: set[str] = set()
    return [_recording(file, base, names) for file in found.values()]


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Files below a folder, and folders that cannot be listed; each folder at most once."""
    seen.add(_identity(folder))
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        yield folder
        return
    wanted = suffixes()
    for entry in entries:
        path = os.path.join(folder, entry)
        if entry.startswith("."):
            continue
        if os.path.isdir(path):
            if _identity(path) not in seen:
                yield from _walk(path, seen)
        elif entry.lower().endswith(wanted) or _may_be_lost_folder(path):
            yield path


def _may_be_lost_folder(path: str) -> bool:
    """Whether a name without suffix leads nowhere, as a link to a drive that is not there."""
    return not (os.path.exists(path) or os.path.splitext(path)[1])


def _identity(path: str) -> tuple[int, int]:
    """Device and inode of what a path leads to; (-1, -1) where that cannot be read."""
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino


def _base(given: list[str]) -> str:
    """The folder that names are relative to."""
    common = os.path.commonpath([os.path.abspath(path) for path in given]) if given else ""
    return common if os.path.isdir(common) else os.path.dirname(common)


def _recording(file: str, base: str, names: set[str]) -> Recording:
    path = os.path.abspath(file)
    relative = os.path.basename(path) if path == base else os.path.relpath(path, base)
    plain = name = _printable(relative.replace(os.sep, "/"))
    copy = 2
    while name in names:  # two names can differ only in how a byte had to be written
        name, copy = f"{plain} ({copy})", copy + 1
    names.add(name)
    try:
        found = os.stat(file)
    except OSError:
        return Recording(file, name)
    return Recording(file, name, found.st_size, found.st_mtime)


def _printable(text: str) -> str:
    r"""Text that can be written as UTF-8; other bytes of a file name become ``\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _near(path: str) -> str:
    """What the user may have meant by a path that does not exist."""
    folder, name = os.path.split(os.path.abspath(path))
    try:
        entries = os.listdir(folder)
    except OSError:
        return f"Its folder {_printable(folder)} cannot be listed either; check the path."
    lower = {entry.lower(): entry for entry in entries}
    near = difflib.get_close_matches(name.lower(), list(lower), n=1, cutoff=0.6)
    if not near:
        return "Check the path."
    return f"Did you mean {_printable(os.path.join(os.path.dirname(path), lower[near[0]]))}?"
