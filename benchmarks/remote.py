"""A scan from an S3 server beside one of the same files from disk, in one run.

    python -m benchmarks.remote [--rounds 5] [--copies 1 --copies 4]

The server is moto's, a process on the same 2 cores; so what it takes itself is in the figures.
Every round scans the forest recordings from disk and from the server, one after the other, the
server first in every second round; ratios are taken within a round, and the median over rounds
stands with the smallest and largest. Each scan is a process of its own with 2 threads; its tables
must be equal, byte for byte.

"scan" is the wall time in the manifest; "process" is the whole command, with the interpreter's
start, the imports (of s3fs as well) and the listing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import Scan, forest_recordings, markdown_table, scan
from benchmarks.s3server import S3Server, s3_server

BUCKET = "season"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ROWS = {
    "local_s": "scan from disk, s",
    "remote_s": "scan from S3, s",
    "ratio": "scan, S3 over disk (bar 1.3, aim 1.1)",
    "process_ratio": "process, S3 over disk",
    "server_s": "the server's own CPU time, s",
    "peak_ratio": "peak memory, S3 over disk",
}


def fill(folder: Path, n_copies: int) -> int:
    """Copy the forest recordings into a folder and the bucket, so often; how many files."""
    import s3fs

    system = s3fs.S3FileSystem()
    system.mkdirs(BUCKET, exist_ok=True)
    files = [(one, f"{copy}/{one.name}") for copy in range(n_copies) for one in forest_recordings()]
    for file, name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
        system.put_file(str(file), f"{BUCKET}/{folder.name}/{name}")
    return len(files)


def measure(folder: Path, scratch: Path, server: S3Server, *, is_remote_first: bool) -> list[float]:
    """One round; the figures of ``ROWS``."""
    places: dict[bool, Path | str] = {False: folder, True: f"s3://{BUCKET}/{folder.name}/"}
    before_s = _cpu_s(server)
    done = {
        remote: scan(places[remote], scratch) for remote in (is_remote_first, not is_remote_first)
    }
    local, remote = done[False], done[True]
    if _tables(local) != _tables(remote):
        sys.exit("The tables of the two scans differ.")
    return [
        local.wall_s,
        remote.wall_s,
        remote.wall_s / local.wall_s,
        remote.child.wall_s / local.child.wall_s,
        _cpu_s(server) - before_s,
        remote.child.peak_mb / local.child.peak_mb,
    ]


def _tables(one: Scan) -> list[bytes]:
    folder = one.events_csv.parent
    return [
        file.read_bytes() for file in [folder.with_suffix(".csv"), *sorted(folder.glob("*.csv"))]
    ]


def _cpu_s(server: S3Server) -> float:
    """CPU time of the server so far, seconds; user and system are fields 14 and 15."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS_PER_S


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print a table for each number of copies."""
    parser = argparse.ArgumentParser(prog="benchmarks.remote", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, action="append", help="default: 1 and 4")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch, s3_server() as server:
        os.environ.update(server.settings)
        for n_copies in given.copies or [1, 4]:
            folder = Path(scratch, f"copies{n_copies}")
            folder.mkdir()
            n_files = fill(folder, n_copies)
            samples: dict[str, list[float]] = defaultdict(list)
            for number in range(given.rounds):
                figures = measure(folder, Path(scratch), server, is_remote_first=bool(number % 2))
                for key, value in zip(ROWS, figures, strict=True):
                    samples[key].append(value)
            print(f"\n{n_files} files\n")
            print(markdown_table(["figure", "median (range)"], report(samples)), flush=True)


def report(samples: dict[str, list[float]]) -> list[list[str]]:
    """Rows of the table."""
    return [
        [title, f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"]
        for title, values in ((ROWS[key], samples[key]) for key in ROWS)
    ]


if __name__ == "__main__":
    main()
