"""Commands run as processes of their own: what they print, how long they take, how they end.

Nothing to run here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Child:
    """A finished child process.

    Attributes
    ----------
    stdout, stderr : str
        What it printed.
    wall_s : float
        From its start to its end, seconds, the interpreter's start included.
    peak_mb : float
        Peak resident memory of it and of the processes it starts, added up, megabytes
        (1e6 bytes); 0 where it was killed for its time.
    code : int or None
        Its exit code, or the signal that ended it, below 0; None where it was killed for its time.
    """

    stdout: str
    stderr: str
    wall_s: float
    peak_mb: float
    code: int | None


def run_child(command: Sequence[str], *, folder: Path | None = None) -> Child:
    """Run a command with this checkout on its path; leave with its message where it fails.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    folder : Path, optional
        Working folder; the present one by default.
    """
    child = watch_child(command, folder=folder)
    if child.code != 0:
        sys.exit(f"{' '.join(command)}\nleft with {child.code}:\n{child.stderr[-2000:]}")
    return child


def watch_child(
    command: Sequence[str], *, folder: Path | None = None, limit_s: float | None = None
) -> Child:
    """Run a command as ``run_child`` does, and tell how it ended, whatever that is.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    folder : Path, optional
        Working folder; the present one by default.
    limit_s : float, optional
        Wall time after which it and its children are killed, seconds; none by default.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        process = subprocess.Popen(
            [sys.executable, "-S", str(ROOT / "benchmarks" / "launch.py"), str(report), *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=limit_s is not None,
        )
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            return Child(stdout, stderr, limit_s or 0.0, 0.0, None)
        usage = json.loads(report.read_text(encoding="utf-8"))
    return Child(stdout, stderr, usage["wall_s"], usage["peak_bytes"] / 1e6, usage["code"])
