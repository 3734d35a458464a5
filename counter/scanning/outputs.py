"""Outputs of a scan: checked before the work, locked, and old ones removed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from counter.errors import OutputError, output_errors
from counter.scanning.journal import JOURNAL
from counter.storage.atomic import check_writable, temporary_mark
from counter.storage.file_names import check_names
from counter.storage.png import is_own_png
from counter.tables.csv import has_header
from counter.tables.manifest import OutputPaths, is_own_manifest
from counter.tables.scores import is_own_scores


def plan_outputs(output: Path) -> OutputPaths:
    """Find every clash of an output path before the work; nothing is made or changed.

    Results of an earlier scan may be there: they will be replaced.

    Raises
    ------
    OutputError
        The path is a folder or does not end in ``.csv``; it cannot be written; or a file that
        callcount did not make stands where one of its own would go.
    """
    paths = OutputPaths(output)
    with output_errors(output):
        _check_name(output)
        check_writable(output.parent)
        _check_folder(paths.folder)
        _check_folder(paths.plots)
        _check_files(paths)
    return paths


def make_folders(paths: OutputPaths, *, plots: bool) -> None:
    """Make the folders, that of plots only where it is wanted.

    Raises
    ------
    OutputError
        A folder cannot be made.
    """
    with output_errors(paths.folder, is_folder=True):
        (paths.plots if plots else paths.folder).mkdir(parents=True, exist_ok=True)


def remove_old(paths: OutputPaths, *, but: Collection[str]) -> None:
    """Remove the scores and plots of an earlier scan, ``but`` plots of these file names.

    Other files there stay.

    Raises
    ------
    OutputError
        An old file cannot be removed.
    """
    with output_errors(paths.folder, is_folder=True):
        for old in own_plots(paths.plots):
            if old.name not in but:
                old.unlink()
        # events and scores of two scans must never stand side by side
        paths.scores.unlink(missing_ok=True)


@contextmanager
def locked(paths: OutputPaths) -> Iterator[None]:
    """Keep other scans away from an output folder, which is there; a crash lets go of it.

    Raises
    ------
    OutputError
        Another scan is at work there.
    """
    from filelock import FileLock, Timeout  # takes long; the scanning process starts meanwhile

    lock = FileLock(paths.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"another scan is writing to {paths.folder}.", "Wait for it, or give another -o."
        ) from error
    except NotImplementedError:  # a drive without locks
        pass
    except OSError as error:
        raise OutputError.unwritable(paths.lock, error) from error
    try:
        yield
    finally:
        lock.release()


def is_at_work(paths: OutputPaths) -> bool:
    """Whether a scan is writing to an output folder; not where that cannot be found out."""
    from filelock import FileLock, Timeout

    if not paths.lock.exists():
        return False
    try:
        with FileLock(paths.lock).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except (NotImplementedError, OSError):
        return False


def remove_half_written(paths: OutputPaths) -> None:
    """Remove the temporary files that a killed scan left; no scan may be at work there.

    Raises
    ------
    OutputError
        One cannot be removed.
    """
    temporary = "." + "[0-9a-f]" * 16 + ".tmp"
    beside = f".{temporary_mark(paths.results)}{'[0-9a-f]' * 8}.tmp"
    with output_errors(paths.folder, is_folder=True):
        for half in (*paths.folder.rglob(temporary), *paths.results.parent.glob(beside)):
            half.unlink()


def _check_name(output: Path) -> None:
    check_names(output)
    if output.is_dir():
        raise OutputError(
            f"-o {output} is a folder.", f"Name a file in it: -o {output / 'results.csv'}."
        )
    if output.suffix.lower() != ".csv":
        raise OutputError(
            f"-o {output} does not end in .csv.", f"Write -o {output.with_name(output.name)}.csv."
        )


def _check_folder(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise OutputError(
            f"{folder} is a file where a folder is wanted.", "Move it away or give another -o."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write in {folder}.", "Give a name elsewhere with -o.")


def _check_files(paths: OutputPaths) -> None:
    """Make sure that what stands where outputs go is ours, or empty.

    Manifest, journal and scores are known by a mark inside; the tables by one of the first two
    beside them, and by the column of recordings or sites that every version has.
    """
    marked = {
        paths.manifest: is_own_manifest,
        paths.journal: JOURNAL.is_own,
        paths.scores: is_own_scores,
    }
    held = {path for path in paths.every() if os.path.lexists(path) and not _is_empty(path)}
    is_own = {path: path.is_file() and marked[path](path) for path in held & set(marked)}
    is_ours = is_own.get(paths.manifest, False) or is_own.get(paths.journal, False)
    for path in paths.every():
        if path in held - set(marked):
            is_own[path] = is_ours and has_header(path, _is_table)
        if not is_own.get(path, True):
            raise OutputError.clash(path)


def _is_table(header: Sequence[str]) -> bool:
    return bool({"recording", "site"} & set(header))


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


def own_plots(folder: Path) -> list[Path]:
    """Plots of earlier scans in a folder, in name order; none where the folder is missing.

    Raises
    ------
    OSError
        A picture there cannot be read.
    """
    pictures = sorted(path for path in folder.glob("*.png") if path.is_file())
    return [path for path in pictures if is_own_png(path)]
