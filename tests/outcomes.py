"""What a command leaves: rows of a table, pictures, and the line in which it refuses."""

import csv
from pathlib import Path


def rows_of(path):
    """Rows of a table that callcount wrote, a dict each."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_wide_picture(path):
    """Whether a file is a PNG of 800 pixels or more across."""
    head = path.read_bytes()[:24]
    return head.startswith(b"\x89PNG\r\n\x1a\n") and int.from_bytes(head[16:20], "big") >= 800


def refusal(capsys):
    """The last line that was said, an error without a traceback."""
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    last = said.err.rstrip("\n").splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def files_of(output):
    """Everything that a scan left but the manifest and the journal, which tell of its runs."""
    folder = Path(output).with_suffix("")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    own = {"manifest.json", "journal.sqlite", ".scan.lock"}
    below = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    table = {"the table": Path(output).read_bytes()}
    return table | {name: content for name, content in below.items() if name not in own}
