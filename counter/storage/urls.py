"""URLs: what is one, and how one is told and compared; nothing touches a network."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

_FILE = re.compile(r"file://(localhost)?(?=/)|file:(?=//[^/])", re.IGNORECASE)
# Two letters at least: a single one is a drive on Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PASSWORD = re.compile(r"^([a-z][a-z0-9+.-]+://[^/?#@:]*):[^/?#@]*@", re.IGNORECASE)


def is_url(path: str | Path) -> bool:
    """Whether a path is not of this machine's file system but ``scheme://...``."""
    return bool(_URL.match(os.fspath(path)))


def scheme_of(url: str) -> str:
    """``s3``, ``https``, ...: lower case."""
    return url.partition("://")[0].lower()


def local_path(path: str, *, is_windows: bool = os.name == "nt") -> str:
    """The path that a ``file://`` URL names, where it is of this machine; all else as it is.

    On Windows ``file:///C:/season`` is ``C:/season``, and ``file://server/share`` a share.
    """
    found = _FILE.match(path)
    if not found or (found[0].endswith(":") and not is_windows):
        return path
    rest = unquote(path[found.end() :])
    return rest[1:] if is_windows and re.match("/[A-Za-z]:", rest) else rest


def shown(url: str) -> str:
    """A URL or path as it may be written down: without a password, should it hold one."""
    return _PASSWORD.sub(r"\1@", url)


def absolute(path: str | Path) -> str:
    """A path as it may be written into tables: from the root on; a URL as ``shown`` gives it."""
    text = os.fspath(path)
    return shown(text) if is_url(text) else os.path.abspath(text)


def from_anywhere(path: str) -> str:
    """A path that leads to the same file from any folder; a URL as it is, with its secrets."""
    return path if is_url(path) else os.path.abspath(path)


def parts_of(url: str) -> list[str]:
    """A URL cut at its ``/``, those at its end left out; the server or bucket comes third."""
    return url.rstrip("/").split("/")


def name_of(url: str, n_common: int) -> str:
    """Name of a recording: the parts of its URL after the first ``n_common``, less than all.

    It is a path with ``/``; of a web address without its query and percent signs. Parts that a file
    system would take for something else than a name are written as ``%2E%2E`` and the like.
    """
    is_web = scheme_of(url) in ("http", "https")
    parts = parts_of(re.sub(r"[?#].*", "", url) if is_web else url)[n_common:]
    texts = (unquote(part).replace("/", "%2F") if is_web else part for part in parts)
    return "/".join(_safe_part(text) for text in texts)


def _safe_part(part: str) -> str:
    return part.replace(".", "%2E") if part in (".", "..") else part or "%2F"


def common_parts(urls: list[str], folders: set[str]) -> int:
    """How many leading parts all URLs share; fewer than all of one that is no folder."""
    shared = os.path.commonprefix([parts_of(url) for url in urls])
    is_file = any(parts_of(url) == shared for url in urls if url not in folders)
    return len(shared) - is_file
