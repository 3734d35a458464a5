"""Folders that appear whole or not at all, and never over what callcount did not make."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counter.errors import OutputError


def check_replaceable(path: Path, mark: str) -> None:
    """Make sure that ``path`` is free, or a folder of ours, known by a file named ``mark``.

    Raises
    ------
    OutputError
        Something else is there; it will not be touched.
    """
    if path.exists() and not (path / mark).is_file():
        raise OutputError(
            f"{path} exists and callcount did not make it (it holds no {mark}).",
            "Give another -o or name.",
        )


@contextmanager
def new_folder(path: Path, mark: str | None = None) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; it takes that name when all went well.

    Callers look before the work whether the place is free; what has come there since is not
    touched either.

    Parameters
    ----------
    path : Path
        The folder to be; those above it are made.
    mark : str, optional
        File by which an earlier folder of ours is known, which is then replaced. Without one,
        nothing is replaced but an empty folder.

    Raises
    ------
    OutputError
        The folder cannot be made, or something else is at ``path``; that is unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OutputError.unwritable(path, error) from error
    try:
        made.chmod(0o755)
        yield made
        _move(made, path, mark)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move(made: Path, path: Path, mark: str | None) -> None:
    """Put a folder at ``path``; an earlier one is removed only after that."""
    old = path.with_name(f".{path.name}-old-{os.getpid()}")
    try:
        if mark is not None and path.exists():
            check_replaceable(path, mark)
            os.replace(path, old)
        os.replace(made, path)  # fails where there is a file, or a folder that is not empty
    except OSError as error:
        raise OutputError.unwritable(path, error) from error
    shutil.rmtree(old, ignore_errors=True)
