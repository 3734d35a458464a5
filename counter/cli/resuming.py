"""What of a scan is done already, and what is said about it."""

from __future__ import annotations

import hashlib
import json
import os

from rich.markup import escape

from counter.cli.console import stderr, stdout
from counter.cli.reportplace import report_path
from counter.cli.scanplan import ScanPlan
from counter.journal import Journal
from counter.records import FAILED

# Name of the fact that all tables of a finished scan are written; its value is the stamp.
WRITTEN = "written"
_NOT_IN_FILES = ("jobs", "cluster", "stall_s", "paths", "rules_from")


def resume(plan: ScanPlan, journal: Journal) -> list[int]:
    """Positions of the recordings that are left to scan; says what is done, and what not again."""
    changes = journal.begin(plan.recordings, plan.deciding())
    settings = plan.settings
    n_failed = journal.forget(failed=True) if settings.retry_failed else 0
    n_without = journal.forget(without_scores=True) if settings.keep_scores else 0
    left = journal.left()
    n_done = len(plan.recordings) - len(left)
    differ = f" ({', '.join(changes.settings)})" if changes.settings else ""
    told = (
        (n_done if left else 0, "are done already"),
        (changes.n_files, "have changed since they were scanned, and are scanned again"),
        (changes.n_settings, f"were scanned with other settings{differ}, and are scanned again"),
        (n_failed, "failed and are tried again"),
        (n_without, "are scanned again to keep their scores"),
    )
    for n, what in told:
        if n:
            stderr().print(f"{n} of {len(plan.recordings)} recordings {what}.", markup=False)
    return left


def is_written(plan: ScanPlan, journal: Journal) -> bool:
    """Whether an earlier run has finished, and all its files are there and as they would be."""
    paths = plan.paths
    files = [paths.results, paths.events, paths.recordings, paths.manifest]
    files += [paths.summary(of) for of in ("site", "day", "hour")]
    files += [paths.overview] if plan.settings.plots else []
    files += [paths.scores] if plan.settings.keep_scores else []
    files += [report_path(paths)] if plan.settings.report else []
    files += plan.exports.files()
    return journal.fact(WRITTEN) == stamp(plan) and all(file.exists() for file in files)


def stamp(plan: ScanPlan) -> str:
    """What the files of a finished scan depend on besides its outcomes."""
    told = {name: value for name, value in plan.told().items() if name not in _NOT_IN_FILES}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    if plan.settings.sites is not None:
        digest.update(plan.settings.sites.read_bytes())
    for one in plan.recordings:
        digest.update(os.fsencode(one.path) + f"\0{one.size_bytes} {one.modified_s}\0".encode())
    return digest.hexdigest()


def say_done(plan: ScanPlan, journal: Journal) -> None:
    """Say that there is nothing to do, and what the earlier runs found."""
    n_failed = journal.statuses()[FAILED]
    failed = f" ({n_failed} failed; --retry-failed tries them again)" if n_failed else ""
    stderr().print(f"Nothing to do: all {len(plan.recordings)} recordings are done{failed}.")
    calls, scanned_s = journal.sums()
    stdout().print(
        f"{calls} calls in {len(plan.recordings) - n_failed} recordings, "
        f"{scanned_s / 3600:.2f} h -> {escape(str(plan.paths.results))}"
    )
