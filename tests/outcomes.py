"""What a command leaves: the rows of a table, and the line in which it refuses."""

import csv


def rows_of(path):
    """Rows of a table that callcount wrote, a dict each."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refusal(capsys):
    """The last line that was said, an error without a traceback."""
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    last = said.err.rstrip("\n").splitlines()[-1]
    assert last.startswith("Error: ")
    return last
