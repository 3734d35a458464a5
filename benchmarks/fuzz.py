"""Broken sound files by the thousand: none may crash, hang or swell a scan, or be without a row.

    python -m benchmarks.fuzz [-n 2000] [--seed 0] [--first 0] [--only NUMBER]

Breaks small wav, flac, mp3 and ogg files (and a few others) made on the spot: bits flipped,
stretches cut, zeroed, repeated, shuffled or put in, headers that lie, two files joined. They are
scanned by ``callcount scan`` in batches, each a process of its own. A batch in which something is
wrong is halved until the file is found that does it, and that file's number is printed; the
same seed and number make the same file. ``--only NUMBER`` writes one file into the present folder
and scans it alone. The exit code is 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.children import Child, watch_child
from benchmarks.common import markdown_table
from benchmarks.mutants import KINDS, Mutant, mutant
from benchmarks.wholefiles import RECIPES

BATCH = 200  # a scan draws plots of no more
LIMIT_S, LIMIT_PER_FILE_S = 30.0, 0.5
MOST_MB = 500.0
OUTCOMES = ("ok", "truncated", "failed")
# Messages of rows whose file the scan survived, and nothing more.
SURVIVED = {"scanning process died": "crash", "no progress for": "hang"}
# What batches are scanned with, in turn; so low a threshold gives events, and clips, of rubbish.
OPTIONS = (
    ("--no-plots",),
    ("--plots",),
    ("--no-plots", "--keep-scores", "--threshold", "0.02", "--clips", "20", "--format", "raven"),
)


@dataclass(frozen=True)
class Verdict:
    """What came of a scan.

    Attributes
    ----------
    child : Child
        The process.
    rows : dict of str to dict
        The table of counts by recording.
    faults : list of str
        What was wrong; empty where nothing was.
    """

    child: Child
    rows: dict[str, dict[str, str]]
    faults: list[str]


@dataclass
class Findings:
    """What came of all files.

    Attributes
    ----------
    outcomes : Counter of (str, str)
        How many files of a kind, or of a kind of whole file, had an outcome.
    problems : list of str
        What was wrong, with which file.
    peak_mb : float
        The largest of all processes.
    slowest : tuple of float, list of Mutant, and sequence of str
        Seconds, files and options of the batch that took longest.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    peak_mb: float = 0.0
    slowest: tuple[float, list[Mutant], Sequence[str]] = (0.0, [], ())

    def take(self, mutants: Sequence[Mutant], verdict: Verdict) -> None:
        """Add the rows of a batch."""
        self.peak_mb = max(self.peak_mb, verdict.child.peak_mb)
        for one in mutants:
            outcome = verdict.rows.get(one.name, {}).get("status", "missing")
            self.outcomes[one.kind, outcome] += 1
            self.outcomes[one.made_of, outcome] += 1


def scan_mutants(mutants: Sequence[Mutant], options: Sequence[str]) -> Verdict:
    """Write files into a new folder, scan it, and judge what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "season"
        folder.mkdir()
        for one in mutants:
            (folder / one.name).write_bytes(one.data)
        table = Path(scratch) / "results.csv"
        command = [sys.executable, "-m", "counter.cli.main", "scan", str(folder)]
        command += ["-o", str(table), "--jobs", "2", *options]
        limit_s = LIMIT_S + LIMIT_PER_FILE_S * len(mutants)
        child = watch_child(command, folder=Path(scratch), limit_s=limit_s)
        rows = _read(table)
    by_name = {row["recording"]: row for row in rows}
    is_any_failed = any(row["status"] == "failed" for row in rows)
    faults = [*_child_faults(child, is_any_failed), *_row_faults(mutants, rows)]
    return Verdict(child, by_name, faults)


def _read(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _child_faults(child: Child, is_any_failed: bool) -> Iterator[str]:
    """What the process must not do."""
    if child.code is None:
        yield f"hang: more than {child.wall_s:.0f} s"
    elif "Traceback" in child.stderr:
        yield f"crash: {child.stderr.strip().splitlines()[-1]}"
    elif child.code not in (0, 1):
        yield f"crash: exit code {child.code}: {child.stderr[-200:]}"
    elif child.code != is_any_failed:
        yield f"exit code {child.code} instead of {is_any_failed:d}"
    if child.peak_mb > MOST_MB:
        yield f"memory: {child.peak_mb:.0f} MB"


def _row_faults(mutants: Sequence[Mutant], rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """What the table of counts must not hold."""
    names = Counter(row["recording"] for row in rows)
    if missing := [one.name for one in mutants if names[one.name] != 1]:
        yield f"missing row: {len(missing)} files have none, or two"
    for row in rows:
        is_failed, has_count = row["status"] == "failed", bool(row["calls"])
        if row["status"] not in OUTCOMES or is_failed == has_count:
            yield f"odd row: {row}"
        if row["status"] != "ok" and not row["message"]:
            yield f"no message: {row}"
        for words, fault in SURVIVED.items():
            if words in row["message"]:
                yield f"{fault}, survived: {row['message']}"


def examine(mutants: list[Mutant], options: Sequence[str], findings: Findings) -> None:
    """Scan a batch; where something is wrong, halves of it, until the file is found."""
    verdict = scan_mutants(mutants, options)
    if verdict.child.wall_s > findings.slowest[0]:
        findings.slowest = verdict.child.wall_s, mutants, options
    if not verdict.faults or len(mutants) == 1:
        findings.take(mutants, verdict)
        findings.problems += [f"{mutants[0].number}: {fault}" for fault in verdict.faults]
        return
    n_before = len(findings.problems)
    findings.peak_mb = max(findings.peak_mb, verdict.child.peak_mb)
    middle = len(mutants) // 2
    for half in (mutants[:middle], mutants[middle:]):
        examine(half, options, findings)
    if len(findings.problems) == n_before:
        numbers = f"{mutants[0].number} to {mutants[-1].number}, only together"
        findings.problems += [f"{numbers}: {fault}" for fault in verdict.faults]


def slowest_file(mutants: list[Mutant], options: Sequence[str]) -> tuple[Mutant, float]:
    """The file that most of a batch's time goes to, and the seconds of a scan of it alone."""
    while len(mutants) > 1:
        middle = len(mutants) // 2
        halves = mutants[:middle], mutants[middle:]
        mutants = max(halves, key=lambda half: scan_mutants(half, options).child.wall_s)
    return mutants[0], scan_mutants(mutants, options).child.wall_s


def fuzz(numbers: range, seed: int) -> Findings:
    """Make and scan all files, with a line on stderr for each batch."""
    findings = Findings()
    for index, start in enumerate(range(numbers.start, numbers.stop, BATCH)):
        batch = [mutant(seed, number) for number in numbers[start - numbers.start :][:BATCH]]
        examine(batch, OPTIONS[index % len(OPTIONS)], findings)
        print(f"{batch[-1].number + 1}: {len(findings.problems)} problems", file=sys.stderr)
    return findings


def report(findings: Findings, n_files: int, seed: int) -> str:
    """The tables, and what to do to see a problem again."""
    header = ["files", "n", *OUTCOMES, "missing"]
    rows: list[list[object]] = []
    for name in (*RECIPES, *KINDS):
        counts = [findings.outcomes[name, outcome] for outcome in header[2:]]
        rows.append([name, sum(counts), *counts])
    slow, slow_s = slowest_file(findings.slowest[1], findings.slowest[2])
    n_missing = sum(findings.outcomes[name, "missing"] for name in RECIPES)
    figures: list[list[object]] = [
        ["crashes", sum(": crash" in text for text in findings.problems), "0"],
        ["hangs", sum(": hang" in text for text in findings.problems), "0"],
        ["missing rows", n_missing, "0"],
        ["all problems", len(findings.problems), "0"],
        ["peak memory of a scan, MB", f"{findings.peak_mb:.0f}", f"{MOST_MB:.0f}"],
        [f"slowest file ({slow.number}, {slow.kind}), scanned alone, s", f"{slow_s:.1f}", ""],
    ]
    parts = [markdown_table(header, rows), markdown_table([f"{n_files} files", "", "bar"], figures)]
    again = f"python -m benchmarks.fuzz --seed {seed} --only NUMBER"
    if findings.problems:
        parts += ["\n".join(findings.problems), f"One of them again: {again}"]
    return "\n\n".join(parts)


def one_again(seed: int, number: int) -> list[str]:
    """Write one file into the present folder and scan it with all the options; what was wrong."""
    one = mutant(seed, number)
    path = Path(f"fuzz_{seed}_{one.name}")
    path.write_bytes(one.data)
    print(f"{path}: {len(one.data)} bytes, {one.made_of}, {one.kind}")
    verdicts = [scan_mutants([one], options) for options in OPTIONS]
    print(verdicts[0].child.stderr, *(row for row in verdicts[0].rows.values()), sep="\n")
    return [fault for verdict in verdicts for fault in verdict.faults]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, scan and print; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=2000, help="files (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="other files (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--only", type=int, help="number of one file, to be kept and scanned alone")
    given = parser.parse_args(arguments)
    if given.only is not None:
        faults = one_again(given.seed, given.only)
        print(*faults, sep="\n")
        return int(bool(faults))
    findings = fuzz(range(given.first, given.first + given.n), given.seed)
    print(report(findings, given.n, given.seed))
    return int(bool(findings.problems))


if __name__ == "__main__":
    sys.exit(main())
