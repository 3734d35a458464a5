"""What recordings there are below a URL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from counter.remote.systems import Visit, network_errors, refusing
from counter.remote.urls import name_of, parts_of, scheme_of

# Stores without folders: one listing of all names that begin alike, many at a time.
_FLAT = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
_MOST_DEEP = 50


@dataclass(frozen=True)
class Listed:
    """A file, as its server lists it; size -1 and time 0 where it does not say."""

    url: str
    size_bytes: int = -1
    modified_s: float = 0.0


@dataclass(frozen=True)
class Listing:
    """What a URL leads to: itself, or what is below it, in name order."""

    is_folder: bool
    files: tuple[Listed, ...]


def list_url(url: str, suffixes: tuple[str, ...]) -> Listing:
    """The recordings at a URL.

    Parameters
    ----------
    url : str
        A file, taken whatever its suffix; or a folder, on the web one that ends in ``/`` and has
        a page of links.
    suffixes : tuple of str
        Lower case, with the dot: endings of the files that are wanted of a folder.

    Returns
    -------
    Listing
        Hidden files and folders are left out. A folder below that cannot be listed stands among
        the files, to fail as a row of its own.

    Raises
    ------
    CallcountError
        The URL leads to nothing, or its server cannot be asked; or a package is missing.
    """
    with refusing(url), Visit(url) as visit:
        top = _top(visit, url)
        if top is not None:
            return Listing(False, (_listed(url, top),))
        is_flat = scheme_of(url) in _FLAT
        below = _flat(visit, url) if is_flat else _walk_below(visit, url, visit.path)
        n_above = len(parts_of(url))
        named = {one.url: (name_of(one.url, n_above).split("/"), one) for one in below}
    wanted = [(name, one) for name, one in named.values() if _is_wanted(name, one, suffixes)]
    return Listing(True, tuple(one for _, one in sorted(wanted, key=lambda pair: pair[0])))


def _top(visit: Visit, url: str) -> dict[str, Any] | None:
    """What is told of a single file; None of a folder, which is there."""
    if scheme_of(url) in ("http", "https"):
        return None if url.endswith("/") else visit.look()
    info: dict[str, Any] = visit.ask("info", visit.path.rstrip("/") or visit.path)
    return None if url.endswith("/") or info["type"] == "directory" else info


def _flat(visit: Visit, url: str) -> Iterator[Listed]:
    """All files of a store whose folders are but beginnings of names."""
    top = visit.path.rstrip("/") + "/"
    for name, info in visit.ask("find", visit.path, detail=True).items():
        below = name.removeprefix(top)
        is_mark = not below or below.endswith("/")  # as some tools write for an empty folder
        if info["type"] == "file" and name != below and not is_mark:
            yield _listed(f"{url.rstrip('/')}/{below}", info)


def _walk(
    visit: Visit, url: str, entries: dict[str, dict[str, Any]], depth: int
) -> Iterator[Listed]:
    """Files among the entries of a folder and below; folders that cannot be listed end in /."""
    for below, info in entries.items():
        place = f"{url.rstrip('/')}/{below}"
        if info["type"] == "directory":
            if not below.startswith("."):
                yield from _walk_below(visit, place, info["name"], depth + 1)
        elif info["type"] == "link" and visit.ask("isdir", info["name"]):
            yield Listed(place + "/")  # it may lead back up, which nothing here would tell
        else:
            yield _listed(place, info)


def _walk_below(visit: Visit, url: str, path: str, depth: int = 0) -> Iterator[Listed]:
    try:
        entries = _entries(visit, path) if depth < _MOST_DEEP else None
    except network_errors():
        if not depth:
            raise  # the folder that was given must be there
        entries = None
    yield from [Listed(url + "/")] if entries is None else _walk(visit, url, entries, depth)


def _entries(visit: Visit, path: str) -> dict[str, dict[str, Any]]:
    """What is in a folder, by its name there; links of a web page that lead elsewhere are not."""
    top = path.rstrip("/") + "/"
    below = {info["name"].removeprefix(top): info for info in visit.ask("ls", path, detail=True)}
    return {
        name.rstrip("/"): info
        for name, info in below.items()
        if name != info["name"] and name.strip("/") and not {"..", "."} & set(name.split("/"))
    }


def _is_wanted(name: list[str], one: Listed, suffixes: tuple[str, ...]) -> bool:
    is_hidden = any(part.startswith(".") for part in name)
    return not is_hidden and (name[-1].lower().endswith(suffixes) or one.url.endswith("/"))


def _listed(url: str, info: dict[str, Any]) -> Listed:
    size = info.get("size")
    return Listed(url, -1 if size is None else int(size), _modified_s(info))


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
