"""Atomic folders: whole or not at all, never over what callcount did not make."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from counter.errors import IN_USE, OutputError, output_errors
from counter.storage.file_names import check_names

_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8)


def check_replaceable(path: Path, mark: str) -> None:
    """Make sure that ``path`` is free, or a folder of ours, known by a file named ``mark``.

    Raises
    ------
    OutputError
        Something else is there; it will not be touched. Or Windows has no such names.
    """
    check_names(path)
    if path.exists() and not (path / mark).is_file():
        raise OutputError(
            f"{path} exists and callcount did not make it (it holds no {mark}).",
            "Give another -o or name.",
        )


@contextmanager
def new_folder(path: Path, mark: str | None = None) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; it takes that name when all went well.

    Folders above it are made. ``mark`` is a file by which an earlier folder of ours is known, which
    is then replaced; without one nothing is but an empty folder. Callers look before the work
    whether the place is free; what has come there since is not touched either.

    Raises
    ------
    OutputError
        The folder cannot be made, or something else is at ``path``; that is unchanged.
    """
    # Not by tempfile, whose folders on Windows stay closed to everybody else.
    made = path.parent / f".{path.name}-{secrets.token_hex(4)}"
    with output_errors(path):
        made.mkdir(parents=True)
    try:
        made.chmod(0o755)
        yield made
        _move(made, path, mark)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move(made: Path, path: Path, mark: str | None) -> None:
    """Put a folder at ``path``; an earlier one is removed only after that."""
    old = path.with_name(f".{path.name}-old-{os.getpid()}")
    with output_errors(path):
        if mark is not None and path.exists():
            check_replaceable(path, mark)
            _replace(path, old)
        elif path.is_dir():
            path.rmdir()  # fails where it is not empty; Windows replaces not even an empty one
        try:
            _replace(made, path)  # fails where there is a file, or again a folder
        except OSError:
            if old.exists():
                _replace(old, path)
            raise
    shutil.rmtree(old, ignore_errors=True)


def _replace(source: Path, target: Path) -> None:
    """``os.replace``, tried again where another program of Windows holds one, as scanners do."""
    for wait_s in _WAITS_S:
        try:
            return os.replace(source, target)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in IN_USE:
                raise
            time.sleep(wait_s)
    return os.replace(source, target)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write; it takes that name when all went well.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    temporary = path.parent / f".{temporary_mark(path)}{secrets.token_hex(4)}.tmp"
    with output_errors(path):
        try:
            yield temporary
            _replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """Give a file to write text into, which is there as of ``atomic_write``.

    UTF-8, line ends as they are written, on Windows too; what is no valid text is escaped.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


def temporary_mark(path: Path) -> str:
    """What temporary files of a file have in their names."""
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]


def check_writable(parent: Path) -> None:
    """Make sure that files and folders can be made in a folder, which need not be there yet.

    Raises
    ------
    OutputError
        They cannot.
    """
    above = (parent.absolute(), *parent.absolute().parents)
    there = next((one for one in above if one.exists()), None)
    if there is None:
        raise OutputError(f"there is no {above[-1]}.", "Give a name elsewhere with -o.")
    if not there.is_dir():
        raise OutputError(f"{there} is a file, not a folder.", "Give another name with -o.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write in {there}.", "Give a name elsewhere with -o.")


def check_new(output: Path, holds: str) -> None:
    """Make sure, before the work, that a folder for a person to fill in can be made.

    ``holds`` is what may have been filled in there, for the message. An empty folder may be there.

    Raises
    ------
    OutputError
        Something is there, or nothing can be written there.
    """
    check_names(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(
            f"{output} exists already; {holds} may have been filled in there.",
            "Give another folder with -o.",
        )
    check_writable(output.parent)
