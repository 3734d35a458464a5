"""A scan of 0.1.0, and tables with columns of a version to come: read by every command."""

import csv
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from earlier.make import LENGTH_S, SEASON, season
from outcomes import rows_of

from counter.cli.main import run
from counter.tables.results import read_results

KEPT = Path(__file__).resolve().parent / "earlier" / "scan-0.1.0"
MADE_AT = "/tmp/callcount-earlier"
CALLS = {name: None if starts_s is None else len(starts_s) for name, starts_s in SEASON.items()}


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    """The scan as 0.1.0 left it, moved here with all that it names, beside its recordings."""
    shutil.copytree(KEPT, tmp_path, dirs_exist_ok=True)
    season(tmp_path / "season")
    for path in (tmp_path / "r" / "manifest.json", tmp_path / "mined" / "mine.json"):
        path.write_text(path.read_text().replace(MADE_AT, str(tmp_path)))
    with sqlite3.connect(tmp_path / "r" / "journal.sqlite") as journal:
        journal.create_function("moved", 1, lambda one: one.replace(*map(str.encode, moves)))
        moves = (MADE_AT, str(tmp_path))
        for table in ("recordings", "outcomes"):
            journal.execute(f"UPDATE {table} SET path = moved(path)")
    journal.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


SCAN = (
    *("scan", "season", "-o", "r.csv", "--model", "bundle", "--keep-scores", "--no-plots"),
    *("--sites", "sites.csv", "--timezone", "Europe/London", "--format", "raven"),
)


def counts(table="r.csv"):
    return {
        row["recording"]: int(row["calls"]) if row["calls"] else None
        for row in rows_of(Path(table))
    }


def test_it_is_read(earlier):
    results = read_results("r.csv")
    assert {one.name: one.calls for one in results.recordings} == CALLS
    assert [one.origin.site for one in results.recordings] == ["Bog"] * 3 + ["Ridge"] * 3
    assert results.counts["calls"].sum() == sum(filter(None, CALLS.values()))
    # what 0.1.0 did not write follows from what it wrote
    utc = results.events["start_utc"].dt.strftime("%Y-%m-%d %H")
    assert set(utc) == {"2024-05-01 04", "2024-05-02 04"}
    assert set(results.events["start_local"].dt.hour) == {5}
    assert results.effort["effort_s"].tolist() == [LENGTH_S] * 5 + [0.0]


@pytest.mark.parametrize(
    "command",
    [
        ("status", "r.csv"),
        ("evaluate", "r.csv", "--truth", "truth.csv"),
        ("tune", "r.csv", "--truth", "truth.csv", "--folds", "2", "-o", "tuned"),
        ("sample", "r.csv", "-n", "4", "-o", "again", "--by", "site"),
        ("estimate", "r.csv", "sample/sample.csv", "--by", "site"),
        ("report", "r.csv"),
        ("info", "bundle"),
        ("mine", "season", "--model", "bundle", "-n", "2", "-o", "more"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_takes_it(earlier, command, capsys):
    # of six recordings one failed, which status and mine say
    assert run(list(command)) == (1 if command[0] in ("status", "mine") else 0)
    assert "Traceback" not in capsys.readouterr().err


def test_a_scan_goes_on_from_it_and_says_so(earlier, capsys):
    before, times = counts(), rows_of(Path("r/recordings.csv"))
    season(earlier / "season" / "more")
    assert run([*SCAN]) == 1
    said = capsys.readouterr().err
    assert "The journal is of an earlier callcount, which counted alike." in said
    assert "6 of 12 recordings are done already." in said
    after = counts()
    assert {name: after[name] for name in before} == before == CALLS
    assert {name: after[f"more/{name}"] for name in before} == CALLS
    now = {row["recording"]: row for row in rows_of(Path("r/recordings.csv"))}
    for row in times:
        assert {name: now[row["recording"]][name] for name in row} == row
    assert now["bog/A1_20240501_050000.wav"]["start_utc"] == "2024-05-01 04:00:00.000"


def test_nothing_is_scanned_where_all_is_done(earlier, monkeypatch, capsys):
    monkeypatch.setattr("counter.scanning.pool.scan_file", None)
    assert run([*SCAN]) == 1
    assert counts() == CALLS
    capsys.readouterr()
    assert run([*SCAN]) == 1
    assert "Nothing to do: all 6 recordings are done" in capsys.readouterr().err


def test_other_rules_scan_it_again(earlier, capsys):
    assert run([*SCAN, "--threshold", "0.9"]) == 1
    assert "6 of 6 recordings were scanned with other settings (rules)" in capsys.readouterr().err


def test_columns_of_a_version_to_come_are_no_trouble(earlier):
    for path in (Path("r.csv"), Path("r/events.csv"), Path("r/recordings.csv")):
        rows = rows_of(path)
        columns = ["to_come", *reversed(rows[0])]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({**row, "to_come": "x"} for row in rows)
    results = read_results("r.csv")
    assert {one.name: one.calls for one in results.recordings} == CALLS
    assert "to_come" in results.counts
    assert run(["evaluate", "r.csv", "--truth", "truth.csv"]) == 0
    assert run([*SCAN]) == 1
    assert "to_come" not in rows_of(Path("r.csv"))[0]


def test_a_format_to_come_is_refused(earlier, capsys):
    manifest = Path("r/manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2}))
    assert run(["report", "r.csv"]) == 2
    assert "Update callcount." in capsys.readouterr().err


def test_without_manifest_and_journal_its_tables_are_not_ours(earlier, capsys):
    for name in ("manifest.json", "journal.sqlite"):
        Path("r", name).unlink()
    before = Path("r.csv").read_bytes()
    assert run([*SCAN]) == 2
    assert "r.csv" in capsys.readouterr().err
    assert Path("r.csv").read_bytes() == before
