"""Where the outputs of a scan go, checked before the work and written whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from counter.errors import OutputError
from counter.journalfile import JOURNAL
from counter.output.own import (
    is_own_events,
    is_own_manifest,
    is_own_results,
    is_own_scores,
    is_own_season,
    own_plots,
)


@dataclass(frozen=True)
class OutputPaths:
    """The files and folders of ``-o x/y.csv``.

    Attributes
    ----------
    results : Path
        ``x/y.csv``, one row a recording; everything else is in the folder ``x/y``.
    """

    results: Path

    @property
    def folder(self) -> Path:
        """``x/y``."""
        return self.results.with_suffix("")

    @property
    def events(self) -> Path:
        """``x/y/events.csv``, one row an event."""
        return self.folder / "events.csv"

    @property
    def recordings(self) -> Path:
        """``x/y/recordings.csv``, when and where each recording was made, and its effort."""
        return self.folder / "recordings.csv"

    def summary(self, of: str) -> Path:
        """``x/y/summary_site.csv``, ``summary_day.csv`` or ``summary_hour.csv``."""
        return self.folder / f"summary_{of}.csv"

    @property
    def manifest(self) -> Path:
        """``x/y/manifest.json``."""
        return self.folder / "manifest.json"

    @property
    def journal(self) -> Path:
        """``x/y/journal.sqlite``, what is done; see ``counter.journal``."""
        return self.folder / "journal.sqlite"

    @property
    def review(self) -> Path:
        """``x/y/review.sqlite``, what persons answered; see ``counter.review.store``."""
        return self.folder / "review.sqlite"

    @property
    def scores(self) -> Path:
        """``x/y/scores.npz``, the frame scores, where they are kept."""
        return self.folder / "scores.npz"

    @property
    def plots(self) -> Path:
        """``x/y/plots``."""
        return self.folder / "plots"

    @property
    def overview(self) -> Path:
        """``x/y/plots/overview.png``."""
        return self.plots / "overview.png"


def plan(output: Path) -> OutputPaths:
    """Find every clash of an output path before the work; nothing is made or changed.

    Results of an earlier scan may be there: they will be replaced.

    Raises
    ------
    OutputError
        The path is a folder or does not end in ``.csv``; it cannot be written; or a file that
        callcount did not make stands where one of its own would go.
    """
    paths = OutputPaths(output)
    try:
        _check_name(output)
        check_writable(output.parent)
        _check_folder(paths.folder)
        _check_folder(paths.plots)
        _check_files(paths)
    except OSError as error:
        raise OutputError.unwritable(output, error) from error
    return paths


def make_folders(paths: OutputPaths, *, plots: bool) -> None:
    """Make the folders, that of plots only where it is wanted.

    Raises
    ------
    OutputError
        A folder cannot be made.
    """
    try:
        (paths.plots if plots else paths.folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.unwritable(Path(error.filename or paths.folder), error) from error


def remove_old(paths: OutputPaths, *, but: Collection[str]) -> None:
    """Remove the scores and plots of an earlier scan; other files there stay.

    Parameters
    ----------
    paths : OutputPaths
        What ``plan`` gave.
    but : collection of str
        File names of plots that are still right.

    Raises
    ------
    OutputError
        An old file cannot be removed.
    """
    try:
        for old in own_plots(paths.plots):
            if old.name not in but:
                old.unlink()
        # events and scores of two scans must never stand side by side
        paths.scores.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError.unwritable(Path(error.filename or paths.folder), error) from error


@contextmanager
def locked(paths: OutputPaths) -> Iterator[None]:
    """Keep other scans away from an output folder, which is there; a crash lets go of it.

    Raises
    ------
    OutputError
        Another scan is at work there.
    """
    folder = os.open(paths.folder, os.O_RDONLY)
    try:
        if not _lock(folder):
            raise OutputError(
                f"another scan is writing to {paths.folder}.", "Wait for it, or give another -o."
            )
        yield
    finally:
        os.close(folder)


def is_at_work(paths: OutputPaths) -> bool:
    """Whether a scan is writing to an output folder, which is there."""
    folder = os.open(paths.folder, os.O_RDONLY)
    try:
        return not _lock(folder)
    finally:
        os.close(folder)


def _lock(folder: int) -> bool:
    """Take the lock of an open folder, if it is free; on drives without locks it always is."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write; it takes that name when all went well.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    temporary = path.parent / f".{_mark(path)}{secrets.token_hex(4)}.tmp"
    try:
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError.unwritable(path, error) from error


def _mark(path: Path) -> str:
    """What temporary files of a file have in their names."""
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]


def remove_half_written(paths: OutputPaths) -> None:
    """Remove the temporary files that a killed scan left; no scan may be at work there.

    Raises
    ------
    OutputError
        One cannot be removed.
    """
    temporary = "." + "[0-9a-f]" * 16 + ".tmp"
    beside = f".{_mark(paths.results)}{'[0-9a-f]' * 8}.tmp"
    try:
        for half in (*paths.folder.rglob(temporary), *paths.results.parent.glob(beside)):
            half.unlink()
    except OSError as error:
        raise OutputError.unwritable(Path(error.filename or paths.folder), error) from error


def _check_name(output: Path) -> None:
    if output.is_dir():
        raise OutputError(
            f"-o {output} is a folder.", f"Name a file in it: -o {output / 'results.csv'}."
        )
    if output.suffix.lower() != ".csv":
        raise OutputError(
            f"-o {output} does not end in .csv.", f"Write -o {output.with_name(output.name)}.csv."
        )


def check_writable(parent: Path) -> None:
    """Make sure that files and folders can be made in a folder, which need not be there yet.

    Raises
    ------
    OutputError
        They cannot.
    """
    there = parent.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise OutputError(f"{there} is a file, not a folder.", "Give another name with -o.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write in {there}.", "Give a name elsewhere with -o.")


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
    checks = {
        paths.results: is_own_results,
        paths.events: is_own_events,
        paths.manifest: is_own_manifest,
        paths.scores: is_own_scores,
        paths.journal: JOURNAL.is_own,
        paths.recordings: is_own_season,
        **{paths.summary(of): is_own_season for of in ("site", "day", "hour")},
    }
    for path, is_own in checks.items():
        if os.path.lexists(path) and not is_own(path):
            raise OutputError.clash(path)
