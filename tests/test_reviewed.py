"""Mined clips that a person labelled: the table read back, trained on, and what that changed."""

import csv
import shutil

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from outcomes import rows_of

from counter.cli.main import run
from counter.errors import CallcountError
from counter.output.review import read_review

DURATION_S = 60.0
TONES_S = {"a.wav": (5.0, 20.0, 40.0), "b.wav": (8.0, 30.0), "c.wav": (12.0,), "d.wav": ()}
CLIPS = 8


@pytest.fixture(scope="session")
def mined(tone_bundle, tmp_path_factory):
    """A folder that ``callcount mine`` left; its candidates are tones, and noise."""
    folder = tmp_path_factory.mktemp("mined")
    for seed, (name, starts_s) in enumerate(TONES_S.items()):
        sound = calls(DURATION_S, starts_s, seed=seed)
        (folder / "rec").mkdir(exist_ok=True)
        write(folder / "rec" / name, sound, MODEL_RATE_HZ, subtype="PCM_16")
    arguments = ["-n", str(CLIPS), "-o", str(folder / "m"), "--model", str(tone_bundle.path)]
    assert run(["mine", str(folder / "rec"), *arguments]) == 0
    return folder / "m"


def says(row):
    return "tone" if row["kind"] != "near miss" else "none"


def fill(folder, answer=says, **dialect):
    """Fill in the table; an answer is a label, or a dict of cells."""
    rows = rows_of(folder / "mine.csv")
    for row in rows:
        told = answer(row)
        row |= told if isinstance(told, dict) else {"label": told}
    with (folder / "mine.csv").open("w", newline="", encoding="utf-8-sig") as file:
        out = csv.DictWriter(file, rows[0], **dialect)
        out.writeheader()
        out.writerows(rows)
    return rows


@pytest.fixture
def folder(mined, tmp_path):
    """A copy of one's own."""
    return shutil.copytree(mined, tmp_path / "m")


def of_row(number, told, other=""):
    """Answers that give one row, counted from 1, what is told, and the others something else."""

    def answer(row):
        return told if row["clip"].startswith(f"clips/{number:04d}-") else other

    return answer


class TestTable:
    def test_what_was_written_comes_back(self, folder):
        rows = fill(folder)
        review = read_review(folder)
        assert (len(review.answers), review.n_open, review.n_unsure) == (CLIPS, 0, 0)
        for row, answer in zip(rows, review.answers, strict=True):
            span_s = (float(row["call_start_s"]), float(row["call_end_s"]))
            assert answer.path == folder / row["clip"]
            assert answer.mined.recording == row["recording"]
            if row["label"] == "tone":
                assert answer.label == "tone"
                assert (answer.start_s, answer.end_s) == span_s
            else:
                assert answer.label == ""
                assert answer.start_s <= span_s[0] < span_s[1] <= answer.end_s

    @pytest.mark.parametrize("word", ["none", "None", " NONE ", "background", "Background"])
    def test_words_for_no_call(self, folder, word):
        fill(folder, of_row(2, word))
        (answer,) = read_review(folder).answers
        assert answer.label == ""

    def test_what_is_filled_in_is_used_and_the_rest_counted(self, folder):
        fill(folder, lambda row: {"0001": "tone", "0002": "Unsure"}.get(row["clip"][6:10], ""))
        review = read_review(folder)
        assert (len(review.answers), review.n_unsure, review.n_open) == (1, 1, CLIPS - 2)

    def test_rows_may_be_sorted_lost_and_parted_as_spreadsheets_do(self, folder):
        def german(row):
            times = {key: row[key].replace(".", ",") for key in ("call_start_s", "call_end_s")}
            return {"label": says(row), **times}

        before = fill(folder)
        plain = {one.path: one for one in read_review(folder).answers}
        fill(folder, german, delimiter=";")
        head, *lines = (folder / "mine.csv").read_text(encoding="utf-8-sig").splitlines()
        text = "\n".join([head, *sorted(lines, reverse=True)[1:]])
        (folder / "mine.csv").write_text(text, encoding="utf-8")
        review = read_review(folder)
        assert len(review.answers) == len(before) - 1
        assert review.n_open == 1
        for one in review.answers:
            other = plain[one.path]
            assert (one.label, one.start_s, one.end_s) == (other.label, other.start_s, other.end_s)

    def test_times_may_be_corrected(self, folder):
        fill(folder, of_row(1, {"label": "tone", "call_start_s": "2.5", "call_end_s": "4"}))
        (answer,) = read_review(folder).answers
        assert (answer.start_s, answer.end_s) == (2.5, 4.0)


class TestBadTable:
    @pytest.mark.parametrize(
        ("told", "message"),
        [
            ({"call_start_s": "soon"}, "call_start_s 'soon' is no number"),
            ({"call_end_s": ""}, "call_end_s '' is no number"),
            ({"call_end_s": "nan"}, ".* to nan s is no stretch of its clip"),
            ({"call_start_s": "-1"}, "-1 to .* s is no stretch of its clip"),
            ({"call_end_s": "99"}, ".* to 99 s is no stretch of its clip, which is .* s long"),
            ({"call_start_s": "4", "call_end_s": "3"}, "4 to 3 s is no stretch"),
            ({"clip": "clips/other.flac"}, "'clips/other.flac' is no clip of this folder"),
        ],
    )
    def test_a_row_that_cannot_be_used_is_named(self, folder, told, message):
        fill(folder, of_row(3, {"label": "tone", **told}, other="none"))
        with pytest.raises(CallcountError, match=rf"mine\.csv, row 4: {message}"):
            read_review(folder)

    def test_a_row_that_is_not_used_may_say_anything(self, folder):
        fill(folder, of_row(3, {"label": "unsure", "call_start_s": "?"}, other="none"))
        assert len(read_review(folder).answers) == CLIPS - 1

    def test_a_clip_that_is_gone(self, folder):
        rows = fill(folder)
        (folder / rows[1]["clip"]).unlink()
        with pytest.raises(CallcountError, match=rf"row 3: there is no clip .*{rows[1]['clip']}"):
            read_review(folder)

    def test_a_clip_twice(self, folder):
        fill(folder)
        lines = (folder / "mine.csv").read_text(encoding="utf-8-sig").splitlines()
        (folder / "mine.csv").write_text("\n".join([*lines, lines[1]]), encoding="utf-8")
        with pytest.raises(CallcountError, match=rf"row {CLIPS + 2}: .* stands there twice"):
            read_review(folder)

    def test_nothing_filled_in(self, folder):
        with pytest.raises(CallcountError, match="is not filled in: no row of 8 says what it is"):
            read_review(folder)

    @pytest.mark.parametrize(
        ("name", "message"),
        [("mine.csv", "holds no mine.csv"), ("mine.json", "has to stay there")],
    )
    def test_a_file_that_is_missing(self, folder, name, message):
        fill(folder)
        (folder / name).unlink()
        with pytest.raises(CallcountError, match=message):
            read_review(folder)

    def test_files_of_another_kind(self, folder):
        fill(folder)
        (folder / "mine.csv").write_text("a,b\n1,2\n", encoding="utf-8")
        with pytest.raises(CallcountError, match="has no column clip"):
            read_review(folder)
        (folder / "mine.json").write_text('{"made_by": "someone"}', encoding="utf-8")
        with pytest.raises(CallcountError, match="was not made by callcount"):
            read_review(folder)
