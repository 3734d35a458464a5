"""Tables in which no name is a formula, and which read back as what was scanned."""

import csv
import json

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from hypothesis import given
from hypothesis import strategies as st
from outcomes import refusal, rows_of

from counter.cli.main import run
from counter.tables.csv import cell, plain, spreadsheet_safe, write_csv

STARTS = tuple("=+-@\t\r\n＝＋－＠")
TEXT = st.text(st.one_of(st.sampled_from([*STARTS, "'", "1"]), st.characters(codec="utf-8")))
RUN = [
    "=cmd|' !A0.wav",
    "+1+2.wav",
    "-site/@SUM(A1).wav",
    "@home/call.wav",
    "'=quoted.wav",
    "semi;=1+1.wav",
    "back\\slash.wav",
]


@given(text=TEXT, is_safe=st.booleans())
def test_any_cell_reads_back_as_it_was(text, is_safe):
    assert plain(cell(text, is_safe=is_safe)) == text


@given(text=TEXT)
def test_no_safe_cell_begins_a_formula_but_a_plain_number(text):
    written = cell(text, is_safe=True)
    if written.startswith(STARTS):
        float(written)


@pytest.mark.parametrize("number", ["-1", "+0.5", "-1.5e-7", "3"])
def test_numbers_stay_numbers(number):
    assert cell(number, is_safe=True) == number


@pytest.mark.parametrize("text", ["", "plain", "'quoted'", "a=b", " =1", "7-zip"])
def test_other_text_stays(text):
    assert cell(text, is_safe=True) == text


def test_turned_off_a_formula_stays_as_it_is(tmp_path):
    with spreadsheet_safe(False):
        write_csv(tmp_path / "off.csv", ["name"], [["=1+1"], ["-x"]])
    write_csv(tmp_path / "on.csv", ["name"], [["=1+1"], ["-x"], [-2], [None]])
    assert (tmp_path / "off.csv").read_text() == "name\n=1+1\n-x\n"
    assert (tmp_path / "on.csv").read_text() == "name\n'=1+1\n'-x\n-2\n\"\"\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_name_makes_a_cell_of_its_own_where_other_marks_part_cells(tmp_path, delimiter):
    names = ["a;=1+1", "b\t=1+1", "c\r=1+1", "d\n=1+1", 'e";=1+1', "f,=1+1"]
    write_csv(tmp_path / "t.csv", ["name", "n"], ([name, 1] for name in names))
    with (tmp_path / "t.csv").open(newline="") as file:
        cells = [one for row in csv.reader(file, delimiter=delimiter) for one in row]
    # where the comma parts no cells, it is text like any other
    assert not [one for one in cells if one.startswith(STARTS)]


@pytest.fixture
def season(tmp_path, monkeypatch, tone_bundle):
    """Recordings named like formulas, each with one call, scanned."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(RUN):
        file = tmp_path / "season" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, calls(6.0, (2.0,), seed=number), MODEL_RATE_HZ, subtype="PCM_16")

    def scan(*flags):
        model = ["--model", str(tone_bundle.path), "--no-plots"]
        return run(["scan", "season", *model, *flags])

    return scan


@pytest.mark.parametrize("flag", ["--spreadsheet-safe", "--no-spreadsheet-safe"])
def test_recordings_named_like_formulas_are_known_again(season, tmp_path, flag):
    assert season(flag) == 0
    for table in ("results.csv", "results/events.csv"):
        written = [row["recording"] for row in rows_of(tmp_path / table)]
        assert sorted(map(plain, written)) == sorted(RUN)
        risky = [name for name in written if name.startswith(STARTS)]
        assert len(risky) == (0 if flag == "--spreadsheet-safe" else 4)
    # the events themselves as the truth: every name is found, every call is hit
    assert run(["evaluate", "results.csv", "--truth", "results/events.csv", flag]) == 0
    found = json.loads((tmp_path / "results/evaluation/evaluation.json").read_text())
    assert found["recordings"] == len(RUN)
    assert found["labels"]["tone"]["measures"]["f1"]["value"] == 1
    rows = rows_of(tmp_path / "results/evaluation/per_recording.csv")
    assert {plain(row["recording"]) for row in rows} == set(RUN)


def test_a_sample_of_such_recordings_is_filled_in_and_read(season, tmp_path, capsys):
    assert season() == 0
    assert run(["sample", "results.csv", "-n", "12", "-o", "sample"]) == 0
    table = tmp_path / "sample" / "sample.csv"
    rows = rows_of(table)
    assert any(row["recording"].startswith("'=") for row in rows)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows({**row, "true_calls": "1"} for row in rows)
    assert run(["estimate", "results.csv", str(table)]) == 0, refusal(capsys)
