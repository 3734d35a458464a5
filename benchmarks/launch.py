"""Run one command and write its wall time, peak memory and exit code as JSON.

Run as ``python -S benchmarks/launch.py REPORT.json COMMAND...``; ``benchmarks.children``
does that. A process starts with the peak memory of the one that started it, so the peak of a
child is only its own when its parent is small: this module imports nothing beyond the bare
interpreter's needs.

The peak is that of the command and all processes that it starts, added up: what they share counts
once (proportional set size, looked at 50 times a second). It is never below the peak of the largest
of them, which is all that is known where there is no ``/proc``.
"""

import json
import os
import sys
import time

LOOK_EVERY_S = 0.02


def family(pid: int) -> list[int]:
    """A process and all that come from it."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(one) for one in file.read().split()]
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(child))]


def held_bytes(pid: int) -> int:
    """What a process holds, its share of what it has in common with others; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            sizes = [line.split()[1] for line in file if line.startswith("Pss:")]
    except OSError:
        return 0
    return int(sizes[0]) * 1024 if sizes else 0


def main() -> int:
    """Run the command given after the report's path; return its exit code."""
    report, command = sys.argv[1], sys.argv[2:]
    started_s = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    most = done = 0
    while not done:
        most = max(most, sum(map(held_bytes, family(pid))))
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if not done:
            time.sleep(LOOK_EVERY_S)
    wall_s = time.perf_counter() - started_s
    largest = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    code = os.waitstatus_to_exitcode(status)
    told = {"wall_s": wall_s, "peak_bytes": max(most, largest), "code": code}
    with open(report, "w", encoding="utf-8") as file:
        json.dump(told, file)
    return code


if __name__ == "__main__":
    sys.exit(main())
