"""What Windows has not, or does its own way, is in no module but in places named with a reason."""

import ast
import errno
import io
import os
import re
import subprocess
import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from outcomes import rows_of

import counter
from counter.cli import main
from counter.errors import ConfigError
from counter.metadata.clock import parse_zone

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for name in ("counter", "training") for path in (ROOT / name).rglob("*.py"))

# Where something of the kind is right: module and what it has, with the reason.
ALLOWED = {
    ("counter.config", "os.sched_getaffinity"): "only where the system has it",
    ("counter.scanning.pool", "'fork'"): "on Linux alone; spawn elsewhere, and tests run both",
    ("counter.storage.filesystems", "'~/.ssh/known_hosts'"): "OpenSSH has it there on Windows too",
}
POSIX_MODULES = {
    *("crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource"),
    *("spwd", "syslog", "termios", "tty"),
}
# Missing on Windows, or another thing there: os.rename replaces no file, links need a right.
POSIX_NAMES = {
    "os": "O_CLOEXEC O_DIRECTORY O_NOFOLLOW chown fchmod fchown fork forkpty getegid geteuid getgid"
    " getgroups getloadavg getpgid getuid initgroups kill killpg lchown link major makedev mkfifo"
    " mknod nice openpty popen posix_fadvise posix_fallocate pread preadv pwrite readlink rename"
    " sched_getaffinity sched_setaffinity sendfile setegid seteuid setgid setpgid setsid setuid"
    " spawnlp statvfs symlink sync sysconf system tcgetpgrp ttyname uname wait wait3 wait4 waitid"
    " waitpid",
    "signal": "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2"
    " alarm pause pthread_kill pthread_sigmask setitimer sigpending sigtimedwait sigwait",
    "select": "epoll kqueue poll select",
    "socket": "AF_UNIX socketpair",
    "time": "CLOCK_MONOTONIC clock_gettime tzset",
    "datetime": "fromtimestamp utcfromtimestamp",  # moment_of takes times before 1970 too
    "mmap": "MAP_PRIVATE MAP_SHARED PROT_READ",
}
FORBIDDEN = {f"{module}.{name}" for module in POSIX_NAMES for name in POSIX_NAMES[module].split()}
# Methods of paths and files, whatever they are called on.
POSIX_METHODS = {"hardlink_to", "lchmod", "readlink", "rename", "symlink_to"}
FOREIGN_TEXT = re.compile(r"(?s)fork(server)?|(/tmp|/dev|/etc|/home|/proc|/usr|/var|~)(/.*)?")
MODE = re.compile(r"[rwxa][bt+]*")
OPEN_WORDS = {"mode", "buffering", "encoding", "errors", "newline"}


def _violations(text: str) -> Iterator[str]:
    """What stands in a module that Windows has not, or does another way."""
    tree = ast.parse(text)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom):
            dotted = [f"{node.module}.{one.name}" for one in node.names]
            yield from [node.module] if node.module in POSIX_MODULES else []
            yield from (one for one in dotted if one in FORBIDDEN)
        elif isinstance(node, ast.Attribute):
            dotted = f"{ast.unparse(node.value).rpartition('.')[2]}.{node.attr}"
            if dotted in FORBIDDEN:
                yield dotted
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    for node in texts:
        is_told = isinstance(node.value, str) and id(node) not in docstrings
        if is_told and FOREIGN_TEXT.fullmatch(node.value):
            yield repr(node.value)


def _of_call(call: ast.Call) -> Iterator[str]:
    """A call that leaves open what text is encoded as, or how its lines end; or a POSIX method."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
    words = {one.arg: one.value for one in call.keywords}
    told = f"{name} without"
    if name == "to_csv" and "lineterminator" not in words:
        yield f"{told} lineterminator"
    if name in ("run", "Popen", "check_output") and "text" in words and "encoding" not in words:
        yield f"{told} encoding"
    if name in POSIX_METHODS and isinstance(call.func, ast.Attribute):
        yield f".{name}"
    if name in ("read_text", "write_text", "TextIOWrapper"):
        yield from [] if "encoding" in words else [f"{told} encoding"]
        yield from [f"{told} newline"] if name == "write_text" and "newline" not in words else []
    mode = _mode(call, name, words)
    if mode is not None and "b" not in mode:
        yield from [] if "encoding" in words else [f"{told} encoding"]
        yield from [] if mode[0] == "r" or "newline" in words else [f"{told} newline"]


def _mode(call: ast.Call, name: str, words: dict[str | None, ast.expr]) -> str | None:
    """The mode in which a call opens a file; None of a call that does not."""
    takes_path = name in ("open", "fdopen") and not isinstance(call.func, ast.Attribute)
    is_method = name == "open" and isinstance(call.func, ast.Attribute)
    temporary = name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile")
    if not (takes_path or is_method or temporary) or set(words) - OPEN_WORDS - {"delete", "dir"}:
        return None
    at = 1 if takes_path else 0
    given = [*call.args[at : at + 1], *filter(None, [words.get("mode")])]
    texts = [one.value if isinstance(one, ast.Constant) else None for one in given]
    modes = [text for text in texts if isinstance(text, str) and MODE.fullmatch(text)]
    if modes:
        return modes[0]
    if is_method and (given or ast.unparse(call.func).startswith("self.")):
        return None  # of something else than a path
    return "w+b" if temporary else "r"


def _found(path: Path) -> set[tuple[str, str]]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return {(module, what) for what in _violations(path.read_text(encoding="utf-8"))}


def test_no_module_has_what_windows_has_not_but_where_it_is_named_with_a_reason():
    found = set().union(*map(_found, MODULES))
    assert len(MODULES) > 150
    assert sorted(found - set(ALLOWED)) == []
    assert sorted(set(ALLOWED) - found) == [], "allowed, but there no more"


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "from pwd import getpwuid",
        "import os\nos.fork()",
        "from os import fork",
        "def f():\n    import resource",
        "import os, signal\nos.kill(1, signal.SIGTERM)",
        "import signal\nstop = signal.SIGKILL",
        "import signal\nsignal.setitimer(0, 1)",
        "import os\nflags = os.O_RDONLY | os.O_NOFOLLOW",
        "import os\nos.rename('a', 'b')",
        "import os\nn = len(os.sched_getaffinity(0))",
        "path.symlink_to(other)",
        "made.rename(path)",
        "import datetime\ndatetime.datetime.fromtimestamp(0)",
        "from multiprocessing import get_context\nget_context('fork')",
        "folder = '/tmp'",
        "folder = '/tmp/callcount'",
        "folder = f'/tmp/{name}'",
        "cache = Path('~/.cache/callcount')",
        "text = path.read_text()",
        "path.write_text('x', encoding='utf-8')",
        "path.write_text('x', newline='')",
        "file = open('a.txt')",
        "file = open(path, 'w', encoding='utf-8')",
        "file = path.open()",
        "file = path.open('w', newline='')",
        "file = path.open(newline='')",
        "import io\nfile = io.TextIOWrapper(raw)",
        "import tempfile\ntempfile.NamedTemporaryFile('w')",
        "import subprocess\nsubprocess.run(command, text=True)",
        "frame.to_csv(path)",
    ],
)
def test_what_windows_has_not_is_seen(code):
    assert list(_violations(code))


@pytest.mark.parametrize(
    "code",
    [
        "'''It lies in /tmp.'''",
        "def f():\n    '/tmp'",
        "import signal\nstop = signal.SIGTERM",
        "import os\nos.replace('a', 'b')",
        "text = path.read_text(encoding='utf-8')",
        "path.write_text('x', encoding='utf-8', newline='\\n')",
        "file = path.open('rb')",
        "file = path.open(newline='', encoding='utf-8')",
        "file = open(path, 'x', encoding='utf-8', newline='')",
        "scoring = detector.open(is_continued=True)",
        "db = JOURNAL.open(path)",
        "member = archive.open('a.npy', 'w')",
        "import tempfile\ntempfile.TemporaryFile(buffering=0)",
        "frame.to_csv(path, lineterminator='\\n')",
    ],
)
def test_what_every_system_has_is_not(code):
    assert list(_violations(code)) == []


def _started(*arguments, **environment):
    """The command in a process of its own, its output as bytes."""
    root = str(Path(counter.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "counter.cli.main", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path]), **environment},
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("code_page", ["cp1252", "cp437", "ascii"])
def test_a_terminal_that_lacks_letters_costs_nothing(tmp_path, tone_bundle, code_page):
    (tmp_path / "in").mkdir()
    names = ["Жук \u2192 é \u2026.wav", "plain.wav"]
    for name in names:
        write(tmp_path / "in" / name, calls(8.0, (2.0,)), MODEL_RATE_HZ, subtype="PCM_16")
    (tmp_path / "in" / "\u2026 no sound.wav").write_bytes(b"x" * 100)
    flags = ("--model", tone_bundle.path, "-o", tmp_path / "r.csv")
    done = _started("scan", tmp_path / "in", *flags, PYTHONIOENCODING=f"{code_page}:strict")
    assert done.returncode == 1, done.stderr  # one file is no sound
    assert b"Traceback" not in done.stderr
    assert b"\\u0416" in done.stdout
    assert {row["recording"]: row["calls"] for row in rows_of(tmp_path / "r.csv")} == {
        **dict.fromkeys(names, "1"),
        "\u2026 no sound.wav": "",
    }


def test_no_file_is_read_or_written_as_the_system_happens_to_encode(tmp_path, tone_bundle):
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "b.wav"):
        write(tmp_path / "in" / name, calls(8.0, (2.0,)), MODEL_RATE_HZ, subtype="PCM_16")
    truth = "recording,start_s,end_s\na.wav,2,3\nb.wav,2,3\n"
    (tmp_path / "truth.csv").write_text(truth, encoding="utf-8")
    code = (
        "import sys, warnings\n"
        "warnings.filterwarnings('error', category=EncodingWarning, module='(counter|training)')\n"
        "from counter.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))"
    )
    formats = ("jsonl", "raven", "audacity", "kaleidoscope", "birdnet")
    every = [*(word for one in formats for word in ("--format", one)), "--report"]
    commands = [
        ["scan", "in", "-o", "r.csv", "--model", tone_bundle.path, "--keep-scores", *every],
        ["evaluate", "r.csv", "--truth", "truth.csv"],
        ["tune", "r.csv", "--truth", "truth.csv", "-o", "tuned", "--folds", "2"],
        ["sample", "r.csv", "-o", "check", "-n", "2"],
        ["mine", "in", "-o", "mined", "-n", "2", "--model", tone_bundle.path],
        ["status", "r.csv"],
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-X", "warn_default_encoding", "-c", code, *map(str, command)],
            env={**os.environ, "PYTHONPATH": str(Path(counter.__file__).parents[1])},
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr.decode())


def test_a_zone_is_known_where_the_system_has_none(tmp_path, tone_bundle):
    """As on Windows, where the package tzdata has them, which pandas brings there."""
    pytest.importorskip("tzdata", reason="the package tzdata is not installed here")
    path = tmp_path / "20240701_120000.wav"
    write(path, calls(4.0, ()), MODEL_RATE_HZ, subtype="PCM_16")
    flags = ("--model", tone_bundle.path, "--timezone", "Europe/Paris", "-o", tmp_path / "r.csv")
    done = _started("scan", path, *flags, PYTHONTZPATH="")
    assert done.returncode == 0, done.stderr
    (row,) = rows_of(tmp_path / "r" / "recordings.csv")
    assert row["start_time"] == "2024-07-01T12:00:00.000+02:00"


def test_a_system_without_any_zone_is_told(monkeypatch):
    zoneinfo.reset_tzpath([])
    monkeypatch.setitem(sys.modules, "tzdata", None)
    try:
        with pytest.raises(ConfigError, match="pip install tzdata"):
            parse_zone("Asia/Ulaanbaatar")
    finally:
        zoneinfo.reset_tzpath()


class _Gone(io.StringIO):
    """A standard output whose reader went away, as Windows tells it."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def fileno(self):
        return self._number

    def flush(self):
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_reader_that_went_away_is_no_error_on_windows_either(tmp_path, monkeypatch):
    def fails(**_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(main.cli, "main", fails)
    with (tmp_path / "out").open("wb") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", _Gone(file.fileno()))
        assert main.run(["scan"]) == 0
    with pytest.raises(OSError, match="Invalid argument"):
        main.run(["scan"])
