"""Inputs: files, folders and URLs searched for recordings."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import soundfile as sf

from counter.errors import CallcountError
from counter.records import Recording
from counter.storage.file_names import system_path
from counter.storage.filesystems import RemoteVisit, network_errors, refusing
from counter.storage.urls import (
    common_parts,
    is_url,
    local_path,
    name_of,
    parts_of,
    scheme_of,
    shown,
)

# Stores without folders: one listing of all names that begin alike, many at a time.
_FLAT = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
_MOST_DEEP = 50


def list_url(url: str) -> tuple[bool, list[Recording]]:
    """Whether a URL leads to a folder, and its recordings in order of their names below it.

    A file is taken whatever its suffix; a folder of the web ends in ``/`` and has a page of links.
    Hidden files and folders are left out. A folder below that cannot be listed stands among the
    files, to fail as a row of its own.

    Raises
    ------
    CallcountError
        The URL leads to nothing, or its server cannot be asked; or a package is missing.
    """
    with refusing(url), RemoteVisit(url) as visit:
        top = _top(visit, url)
        if top is not None:
            return False, [_listed(url, top)]
        is_flat = scheme_of(url) in _FLAT
        below = _flat(visit, url) if is_flat else _walk_below(visit, url, visit.path)
        n_above = len(parts_of(url))
        found = {one.path: replace(one, name=name_of(one.path, n_above)) for one in below}
    endings = suffixes()
    wanted = [one for one in found.values() if _is_wanted(one, endings)]
    return True, sorted(wanted, key=lambda one: one.name.split("/"))


def _top(visit: RemoteVisit, url: str) -> dict[str, Any] | None:
    """What is told of a single file; None of a folder, which is there."""
    if scheme_of(url) in ("http", "https"):
        return None if url.endswith("/") else visit.look()
    info: dict[str, Any] = visit.ask("info", visit.path.rstrip("/") or visit.path)
    return None if url.endswith("/") or info["type"] == "directory" else info


def _flat(visit: RemoteVisit, url: str) -> Iterator[Recording]:
    """All files of a store whose folders are but beginnings of names."""
    top = visit.path.rstrip("/") + "/"
    for name, info in visit.ask("find", visit.path, detail=True).items():
        below = name.removeprefix(top)
        is_mark = not below or below.endswith("/")  # as some tools write for an empty folder
        if info["type"] == "file" and name != below and not is_mark:
            yield _listed(f"{url.rstrip('/')}/{below}", info)


def _walk_url(
    visit: RemoteVisit, url: str, entries: dict[str, dict[str, Any]], depth: int
) -> Iterator[Recording]:
    """Files among the entries of a folder and below; folders that cannot be listed end in /."""
    for below, info in entries.items():
        place = f"{url.rstrip('/')}/{below}"
        if info["type"] == "directory":
            if not below.startswith("."):
                yield from _walk_below(visit, place, info["name"], depth + 1)
        elif info["type"] == "link" and visit.ask("isdir", info["name"]):
            yield Recording(place + "/", "")  # it may lead back up, which nothing here would tell
        else:
            yield _listed(place, info)


def _walk_below(visit: RemoteVisit, url: str, path: str, depth: int = 0) -> Iterator[Recording]:
    try:
        entries = _entries(visit, path) if depth < _MOST_DEEP else None
    except network_errors():
        if not depth:
            raise  # the folder that was given must be there
        entries = None
    lost = [Recording(url + "/", "")]
    yield from lost if entries is None else _walk_url(visit, url, entries, depth)


def _entries(visit: RemoteVisit, path: str) -> dict[str, dict[str, Any]]:
    """What is in a folder, by its name there; links of a web page that lead elsewhere are not."""
    top = path.rstrip("/") + "/"
    below = {info["name"].removeprefix(top): info for info in visit.ask("ls", path, detail=True)}
    return {
        name.rstrip("/"): info
        for name, info in below.items()
        if name != info["name"] and name.strip("/") and not {"..", "."} & set(name.split("/"))
    }


def _is_wanted(one: Recording, endings: tuple[str, ...]) -> bool:
    is_hidden = any(part.startswith(".") for part in one.name.split("/"))
    return not is_hidden and (one.name.lower().endswith(endings) or one.path.endswith("/"))


def _listed(url: str, info: dict[str, Any]) -> Recording:
    """A file as its server lists it, without a name."""
    size = info.get("size")
    return Recording(url, "", -1 if size is None else int(size), _modified_s(info))


def _modified_s(info: dict[str, Any]) -> float:
    """Time of last change, by the words of each file system."""
    for key in ("LastModified", "mtime", "updated", "last_modified", "Last-Modified"):
        value = info.get(key)
        try:
            if isinstance(value, str):
                is_web = key == "Last-Modified"
                value = parsedate_to_datetime(value) if is_web else datetime.fromisoformat(value)
        except ValueError:
            continue
        if isinstance(value, datetime):
            zone = value.tzinfo or timezone.utc
            return value.replace(tzinfo=zone).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0


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
        What to search, in this order. A URL is a file or a folder as ``list_url`` says.
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
    given = [local_path(os.fspath(path)) for path in paths]
    for path in given:
        if not is_url(path) and not os.path.lexists(path):
            raise CallcountError(f"{_printable(path)} does not exist.", _near(path))
    base = _base([path for path in given if not is_url(path)])
    seen = {identity(os.fspath(exclude))} if exclude is not None else set()
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


def _keyed(path: str, base: str, seen: set[_Identity]) -> Iterator[tuple[bytes, Recording]]:
    """The recordings of one path; what a folder's files share is asked for once."""
    last = real = prefix = None
    alone = (*os.path.split(path), True)
    for folder, name, is_link in _walk(path, seen) if os.path.isdir(path) else [alone]:
        if folder != last:
            last, real, prefix = folder, os.path.realpath(folder), name_prefix(folder, base)
        file = os.path.join(folder, name)
        key = os.path.realpath(file) if is_link else f"{real}{os.sep}{name}"
        yield _key(key), _recording(file, _printable(f"{prefix}{name}"))


def _key(text: str) -> bytes:
    """A path in 16 bytes, as there may be millions."""
    return hashlib.blake2b(os.fsencode(text), digest_size=16).digest()


def name_prefix(folder: str, base: str, system: ModuleType = os.path) -> str:
    """What stands before the names of a folder's files; nothing in the folder that was given.

    Without a ``base`` that is the folder's whole path, its drive among the folders. ``system`` is
    ``os.path``, or that of another system.
    """
    if not base:
        drive, rest = system.splitdrive(system.abspath(folder))
        return f"{drive.replace(':', '')}{rest}".replace(system.sep, "/").strip("/") + "/"
    relative = system.relpath(folder or os.curdir, base)
    is_base = relative in (os.curdir, os.pardir)  # the latter for a given one without its list
    return "" if is_base else relative.replace(system.sep, "/") + "/"


def _remote(given: list[str], exclude: str | Path | None) -> dict[str, _Keyed]:
    """The recordings that each URL leads to."""
    listings = {url: list_url(url) for url in given}
    folders = {url for url, (is_folder, _) in listings.items() if is_folder}
    n_common = common_parts(given, folders)
    outside = f"{exclude}/" if exclude is not None and is_url(exclude) else None

    def is_wanted(one: Recording, url: str) -> bool:
        is_given = outside is not None and f"{url.rstrip('/')}/".startswith(outside)
        return outside is None or is_given or not one.path.startswith(outside)

    return {
        url: [
            (_key(one.path), replace(one, name=name_of(one.path, n_common)))
            for one in files
            if is_wanted(one, url)
        ]
        for url, (_, files) in listings.items()
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


def _walk(folder: str, seen: set[_Identity]) -> Iterator[tuple[str, str, bool]]:
    """Folder and name of files below a folder, and whether it is a link; each folder once.

    A folder that cannot be listed stands for itself.
    """
    seen.add(identity(folder))
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        yield (*os.path.split(folder), True)
        return
    wanted = suffixes()
    for entry in entries:
        if is_hidden(entry):
            continue
        is_link = entry.is_symlink()
        if entry.is_dir(follow_symlinks=False) or (is_link and os.path.isdir(entry.path)):
            if identity(entry.path) not in seen:
                yield from _walk(entry.path, seen)
        elif entry.name.lower().endswith(wanted) or _may_be_lost_folder(entry.path):
            yield folder, entry.name, is_link


def _may_be_lost_folder(path: str) -> bool:
    """Whether a name without suffix leads nowhere, as a link to a drive that is not there."""
    return not (os.path.exists(path) or os.path.splitext(path)[1])


def is_hidden(entry: os.DirEntry[str]) -> bool:
    """Whether a file or folder is hidden, by its name or, on Windows, by its attributes.

    There the top of a drive holds folders of the system's that nobody may list.
    """
    if entry.name.startswith(".") or os.name == "posix":
        return entry.name.startswith(".")
    attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    return bool(attributes & (stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM))


_Identity = tuple[int, int] | str


def identity(path: str) -> _Identity:
    """What tells folders apart: device and inode, or the real path where there is no inode.

    Some drives of a network have none on Windows.
    """
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)


def _base(given: list[str]) -> str:
    """The folder that names are relative to; empty where paths are of several drives."""
    try:
        common = os.path.commonpath([os.path.abspath(path) for path in given]) if given else ""
    except ValueError:
        return ""
    return common if os.path.isdir(common) else os.path.dirname(common)


def _recording(file: str, name: str) -> Recording:
    try:
        found = os.stat(system_path(file))
    except OSError:
        return Recording(file, name)
    return Recording(file, name, found.st_size, found.st_mtime)


def _printable(text: str) -> str:
    r"""Text that can be written as UTF-8; other bytes of a file name become ``\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _near(path: str) -> str:
    """What the user may have meant by a path that does not exist."""
    if os.name == "nt" and '"' in path:
        return "Leave out the \\ before a closing quote: Windows takes the two for a quote itself."
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
