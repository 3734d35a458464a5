"""The report that a scan makes at once: where it is, and that it is of this scan and no other."""

from __future__ import annotations

from pathlib import Path

from counter.errors import OutputError
from counter.output.paths import OutputPaths


def report_path(paths: OutputPaths) -> Path:
    """Where the report of a scan goes, if nothing else is said."""
    return paths.folder / "report.html"


def check_report(paths: OutputPaths) -> None:
    """Make sure, before the work, that the report of a scan can be written.

    Raises
    ------
    OutputError
        Something is there that callcount did not make.
    """
    from counter.report.page import check_report_path

    check_report_path(report_path(paths))


def renew_report(paths: OutputPaths, *, is_wanted: bool) -> None:
    """Make the report of what a scan has written; else remove that of an earlier one.

    Raises
    ------
    CallcountError
        It cannot be made, or the old one cannot be removed.
    """
    path = report_path(paths)
    if is_wanted:
        from counter.cli.reporting import ReportOptions, run_report

        run_report(paths.results, path, ReportOptions())
    elif path.is_file():
        from counter.report.page import is_own_report

        try:
            if is_own_report(path):
                path.unlink()
        except OSError as error:
            raise OutputError.unwritable(path, error) from error
