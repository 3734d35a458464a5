"""Files and folders in, the list of recordings out."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import soundfile as sf

from counter.errors import CallcountError
from counter.records import Recording
from counter.remote.listing import Listed, list_url
from counter.remote.urls import common_parts, is_url, name_of, shown

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


def find_recordings(
    paths: Sequence[str | Path], *, exclude: str | Path | None = None
) -> list[Recording]:
    """List the recordings among files and folders, of this machine or by their URL.

    Folders are searched with all that is below them, links followed, in name order; hidden files
    and folders are left out. A file given by name is taken whatever its suffix. Nothing is lost
    in silence: a broken link, an unreadable file and a folder that cannot be listed each stand
    in the list, to fail as a row of their own.

    Parameters
    ----------
    paths : sequence of str or Path
        What to search, in this order. A URL is a file or a folder as ``remote.listing`` says.
    exclude : str, Path or None
        A folder not to search (the output folder), unless it is among ``paths``.

    Returns
    -------
    list of Recording
        Each file once, under the first path that leads to it; never empty. ``name`` is relative
        to the folder given, to the file's own folder, or to the common parent of several paths,
        with ``/``, and unique; bytes that are not UTF-8 are written as ``\\xff`` in it. URLs have
        a common parent of their own.

    Raises
    ------
    CallcountError
        A path does not exist, or there is no recording in any.
    """
    given = [os.fspath(path) for path in paths]
    for path in given:
        if not is_url(path) and not os.path.lexists(path):
            raise CallcountError(f"{_printable(path)} does not exist.", _near(path))
    base = _base([path for path in given if not is_url(path)])
    seen = {_identity(os.fspath(exclude))} if exclude is not None else set()
    remote = _remote([path for path in given if is_url(path)], exclude)
    keys: set[bytes] = set()
    found: list[Recording] = []
    for path in given:
        for key, one in remote[path] if is_url(path) else _keyed(path, base, seen):
            if key not in keys:
                keys.add(key)
                found.append(one)
    if not found:
        where = ", ".join(_printable(shown(path)) for path in given) or "no path at all"
        raise CallcountError(
            f"no recordings in {where}: looked for {' '.join(suffixes())}, below it too.",
            "Check the path, or name a file itself: it is taken whatever its suffix.",
        )
    return _named_apart(found)


_Keyed = list[tuple[bytes, Recording]]  # with what tells that two paths lead to one file


def _keyed(path: str, base: str, seen: set[tuple[int, int]]) -> Iterator[tuple[bytes, Recording]]:
    """The recordings of one path; what a folder's files share is asked for once."""
    last = real = prefix = None
    alone = (*os.path.split(path), True)
    for folder, name, is_link in _walk(path, seen) if os.path.isdir(path) else [alone]:
        if folder != last:
            last, real, prefix = folder, os.path.realpath(folder), _prefix(folder, base)
        file = os.path.join(folder, name)
        key = os.path.realpath(file) if is_link else f"{real}{os.sep}{name}"
        yield _key(key), _recording(file, _printable(f"{prefix}{name}"))


def _key(text: str) -> bytes:
    """A path in 16 bytes, as there may be millions."""
    return hashlib.blake2b(os.fsencode(text), digest_size=16).digest()


def _prefix(folder: str, base: str) -> str:
    """What stands before the names of a folder's files; nothing in the folder that was given."""
    relative = os.path.relpath(folder or os.curdir, base)
    is_base = relative in (os.curdir, os.pardir)  # the latter for a given one without its list
    return "" if is_base else relative.replace(os.sep, "/") + "/"


def _remote(given: list[str], exclude: str | Path | None) -> dict[str, _Keyed]:
    """The recordings that each URL leads to."""
    listings = {url: list_url(url, suffixes()) for url in given}
    folders = {url for url, listing in listings.items() if listing.is_folder}
    n_common = common_parts(given, folders)
    outside = f"{exclude}/" if exclude is not None and is_url(exclude) else None

    def is_wanted(one: Listed, url: str) -> bool:
        is_given = outside is not None and f"{url.rstrip('/')}/".startswith(outside)
        return outside is None or is_given or not one.url.startswith(outside)

    def keyed(one: Listed) -> tuple[bytes, Recording]:
        name = name_of(one.url, n_common)
        return _key(one.url), Recording(one.url, name, one.size_bytes, one.modified_s)

    return {
        url: [keyed(one) for one in listing.files if is_wanted(one, url)]
        for url, listing in listings.items()
    }


def _named_apart(found: Iterable[Recording]) -> list[Recording]:
    """The recordings, each with a name of its own."""
    names: set[str] = set()
    apart = []
    for one in found:
        name, copy = one.name, 2
        while name in names:  # two names can differ only in how a byte had to be written
            name, copy = f"{one.name} ({copy})", copy + 1
        names.add(name)
        apart.append(one if name == one.name else replace(one, name=name))
    return apart


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, str, bool]]:
    """Folder and name of files below a folder, and whether it is a link; each folder once.

    A folder that cannot be listed stands for itself.
    """
    seen.add(_identity(folder))
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        yield (*os.path.split(folder), True)
        return
    wanted = suffixes()
    for entry in entries:
        if entry.name.startswith("."):
            continue
        is_link = entry.is_symlink()
        if entry.is_dir(follow_symlinks=False) or (is_link and os.path.isdir(entry.path)):
            if _identity(entry.path) not in seen:
                yield from _walk(entry.path, seen)
        elif entry.name.lower().endswith(wanted) or _may_be_lost_folder(entry.path):
            yield folder, entry.name, is_link


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


def _recording(file: str, name: str) -> Recording:
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
