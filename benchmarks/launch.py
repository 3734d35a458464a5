"""Run one command and write its wall time, peak memory and exit code as JSON.

Run as ``python -S benchmarks/launch.py REPORT.json COMMAND...``; ``benchmarks.children``
does that. A process starts with the peak memory of the one that started it, so the peak of a
child is only its own when its parent is small: this module imports nothing beyond the bare
interpreter's needs.
"""

import json
import os
import sys
import time


def main() -> int:
    """Run the command given after the report's path; return its exit code."""
    report, command = sys.argv[1], sys.argv[2:]
    started_s = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started_s
    peak_bytes = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    code = os.waitstatus_to_exitcode(status)
    with open(report, "w", encoding="utf-8") as file:
        json.dump({"wall_s": wall_s, "peak_bytes": peak_bytes, "code": code}, file)
    return code


if __name__ == "__main__":
    sys.exit(main())
