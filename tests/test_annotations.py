"""Tables of annotated calls, and the recordings that they are about."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import CallcountError
from counter.formats.annotations import BEYOND_S, Annotation, match_recordings, read_annotations

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def table(folder, name, *lines):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def raven(*rows, more=()):
    header = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", *more]
    return ["\t".join(header), *("\t".join(map(str, row)) for row in rows)]


def read(path):
    return [(one.recording, one.label, one.start_s, one.end_s) for one in read_annotations(path)]


def refused(path):
    with pytest.raises(CallcountError) as caught:
        read_annotations(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def call(recording, start_s=1.0, end_s=2.0, row=2):
    return Annotation(recording, "", start_s, end_s, "truth.csv", row)


class TestCsv:
    def test_columns_stand_in_any_order_and_further_ones_are_passed_over(self, tmp_path):
        path = table(tmp_path, "t.csv", "end_s,who,recording,start_s", '4,me,"a, b.wav",1.5')
        assert read(path) == [("a, b.wav", "", 1.5, 4.0)]

    def test_the_label_is_read_where_there_is_one(self, tmp_path):
        path = table(tmp_path, "t.csv", "recording,start_s,end_s,label", "a,0,1,wren", "a,0,1,")
        assert [label for _, label, _, _ in read(path)] == ["wren", ""]

    def test_a_header_alone_or_a_byte_order_mark_is_no_trouble(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_text("recording,start_s,end_s\r\na.wav,1,2\r\n\r\n", encoding="utf-8-sig")
        assert read(path) == [("a.wav", "", 1.0, 2.0)]
        assert read(table(tmp_path, "u.csv", "recording,start_s,end_s")) == []

    def test_folders_of_windows_are_folders(self, tmp_path):
        path = table(tmp_path, "t.csv", "recording,start_s,end_s", r"sub\a.wav,1,2")
        assert read(path)[0][0] == "sub/a.wav"

    def test_missing_columns_are_named_with_those_found(self, tmp_path):
        said = refused(table(tmp_path, "t.csv", "recording,start,stop", "a,1,2"))
        assert "no column start_s, end_s; found recording, start, stop" in said

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("a.wav,x,2", "'x' is no time"),
            ("a.wav,1,", "'' is no time"),
            ("a.wav,-1,2", "'-1' is no time"),
            ("a.wav,nan,2", "'nan' is no time"),
            ("a.wav,1,inf", "'inf' is no time"),
            ("a.wav,3,2.5", "ends at 2.5 s, before it starts (3 s)"),
            ("a.wav,3", "2 columns, wanted 3"),
            (",1,2", "no recording is named"),
        ],
    )
    def test_a_bad_row_is_told_with_file_row_and_value(self, tmp_path, row, words):
        path = table(tmp_path, "t.csv", "recording,start_s,end_s", "b.wav,1,2", row)
        said = refused(path)
        assert f"{path}, row 3: " in said
        assert words in said

    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
    def test_the_shared_truth_is_read(self):
        assert len(read_annotations(SHARED / "capuchin" / "forest_truth.csv")) == 72
        assert len(read_annotations(SHARED / "piha" / "truth.csv")) == 158


class TestRaven:
    def test_the_table_names_the_recording_where_no_column_does(self, tmp_path):
        path = table(tmp_path, "dawn.Table.1.selections.txt", *raven([1, "Spectrogram 1", 1, 2, 3]))
        assert read(path) == [("dawn", "", 2.0, 3.0)]
        other = table(tmp_path, "a.b.selections.txt", *raven([1, "Spectrogram 1", 1, 2, 3]))
        assert read(other)[0][0] == "a.b"

    @pytest.mark.parametrize("title", ["Annotation", "Species", "label"])
    def test_columns_give_recording_and_label(self, tmp_path, title):
        rows = raven([1, "S", 1, 2, 3, "x.wav", "wren"], more=["Begin File", title])
        assert read(table(tmp_path, "t.txt", *rows)) == [("x.wav", "wren", 2.0, 3.0)]

    def test_the_path_is_better_than_the_file_name(self, tmp_path):
        more = ["Begin File", "Begin Path"]
        rows = raven([1, "S", 1, 2, 3, "x.wav", r"C:\may\x.wav"], more=more)
        assert read(table(tmp_path, "t.txt", *rows))[0][0] == "C:/may/x.wav"

    def test_a_selection_in_two_views_is_one_call(self, tmp_path):
        both = [[1, "Waveform 1", 1, 2, 3], [1, "Spectrogram 1", 1, 2, 3]]
        rows = raven(*both, [2, "Waveform 1", 1, 4, 5], [2, "Spectrogram 1", 1, 4, 5])
        assert [start for _, _, start, _ in read(table(tmp_path, "t.txt", *rows))] == [2.0, 4.0]

    def test_the_band_of_a_selection_is_read_where_it_has_one(self, tmp_path):
        bands = [(3000, 5000), (0, 24000), ("", 5000), (5000, 3000)]
        rows = [[n, "S", 1, n, n + 1, *band] for n, band in enumerate(bands, 1)]
        more = ["Low Freq (Hz)", "High Freq (Hz)"]
        found = read_annotations(table(tmp_path, "t.txt", *raven(*rows, more=more)))
        assert [one.band_hz for one in found] == [(3000.0, 5000.0), None, None, None]
        path = table(tmp_path, "t.csv", "recording,start_s,end_s,low_hz,high_hz", "a,1,2,300,900")
        assert [one.band_hz for one in read_annotations(path)] == [(300.0, 900.0)]

    def test_times_in_a_sequence_of_files_are_taken_from_the_file(self, tmp_path):
        rows = raven([1, "S", 1, 605, 608, "b.wav", 5], more=["Begin File", "File Offset (s)"])
        assert read(table(tmp_path, "t.txt", *rows)) == [("b.wav", "", 5.0, 8.0)]

    def test_a_missing_column_is_named(self, tmp_path):
        said = refused(table(tmp_path, "t.txt", "Selection\tBegin Time (s)", "1\t2"))
        assert "no column End Time (s); found Selection, Begin Time (s)" in said

    def test_a_bad_offset_is_told(self, tmp_path):
        rows = raven([1, "S", 1, 2, 3, "x"], more=["File Offset (s)"])
        assert "row 2: 'x' is no time" in refused(table(tmp_path, "t.txt", *rows))


class TestAudacity:
    def test_lines_are_start_end_label_and_the_stem_is_the_recording(self, tmp_path):
        path = table(tmp_path, "may.1.txt", "1.5\t3\twren", "\\\t200\t900", "4\t5")
        assert read(path) == [("may.1", "wren", 1.5, 3.0), ("may.1", "", 4.0, 5.0)]

    def test_an_empty_file_holds_no_call(self, tmp_path):
        (tmp_path / "quiet.txt").touch()
        assert read(tmp_path / "quiet.txt") == []

    def test_the_first_row_counts_as_one(self, tmp_path):
        assert "row 1: the call ends" in refused(table(tmp_path, "a.txt", "5\t4\twren"))

    def test_other_text_is_no_table(self, tmp_path):
        said = refused(table(tmp_path, "notes.txt", "Heard many birds today."))
        assert "'Heard many birds today.' begins no table" in said


class TestFolder:
    def test_tables_are_read_in_name_order_with_the_folder_in_their_names(self, tmp_path):
        table(tmp_path, "b.txt", "1\t2\twren")
        table(tmp_path, "a/x.Table.1.selections.txt", *raven([1, "S", 1, 3, 4]))
        assert read(tmp_path) == [("a/x", "", 3.0, 4.0), ("b", "wren", 1.0, 2.0)]

    def test_a_folder_without_tables_or_nothing_at_all_is_an_error(self, tmp_path):
        assert "no tables in" in refused(tmp_path)
        assert "no such file or folder" in refused(tmp_path / "gone.csv")

    def test_what_is_no_text_is_an_error(self, tmp_path):
        (tmp_path / "t.csv").write_bytes(b"recording,start_s,end_s\n\xff\xfe,1,2\n")
        assert "is not UTF-8" in refused(tmp_path / "t.csv")


class TestMatching:
    @pytest.mark.parametrize(
        ("annotated", "names", "meant"),
        [
            ("a.wav", ["a.wav", "sub/a.wav"], "a.wav"),
            ("a", ["a.wav", "sub/a.wav"], "a.wav"),
            ("a.mp3", ["sub/a.wav"], "sub/a.wav"),
            ("C:/may/sub/a.wav", ["sub/a.wav", "other/a.wav"], "sub/a.wav"),
            ("sub/a.wav", ["may/sub/a.wav", "may/other/a.wav"], "may/sub/a.wav"),
            ("a.1", ["a.1.wav", "a.2.wav"], "a.1.wav"),
            ("x_20230501.060000", ["x_20230501.060000.flac"], "x_20230501.060000.flac"),
        ],
    )
    def test_by_path_then_by_stem(self, annotated, names, meant):
        assert list(match_recordings([call(annotated)], names).by_recording) == [meant]

    @pytest.mark.parametrize(
        "names", [["x/a.wav", "y/a.wav"], ["a.wav", "a.flac"]], ids=["folders", "formats"]
    )
    def test_a_name_that_may_be_several_is_an_error_with_its_row(self, names):
        with pytest.raises(CallcountError, match=r"truth\.csv, row 7: 'a' may be .*a\.wav") as told:
            match_recordings([call("a", row=7)], names)
        assert all(name in str(told.value) for name in names)

    def test_two_folders_cannot_be_one_recording(self):
        calls = [call("one/a.wav", row=2), call("two/a.wav", row=3)]
        with pytest.raises(CallcountError, match=r"row 3: two/a.wav and one/a.wav \(row 2\)"):
            match_recordings(calls, ["two/a.wav"])

    def test_unknown_names_are_counted_and_the_first_listed_unless_partial(self):
        calls = [call(f"u{n}.wav", row=n) for n in range(2, 9)] + [call("a.wav")]
        with pytest.raises(CallcountError) as caught:
            match_recordings(calls, ["a.wav"], hint="Look again.")
        said = str(caught.value)
        assert "truth.csv names 7 recordings that are not here: u2.wav (row 2)" in said
        assert said.endswith("u6.wav (row 6) and 2 more. Look again.")
        matched = match_recordings(calls, ["a.wav"], partial=True)
        assert list(matched.by_recording) == ["a.wav"]
        assert len(matched.unknown) == 7

    def test_a_call_beyond_the_recording_is_an_error_where_its_length_is_known(self):
        late = call("a.wav", 9.0, 10.0 + 2 * BEYOND_S, row=4)
        with pytest.raises(CallcountError, match=r"row 4: the call ends at 11.0 s, but a.wav is"):
            match_recordings([late], ["a.wav"], durations_s={"a.wav": 10.0})
        near = call("a.wav", 9.0, 10.0 + BEYOND_S / 2)
        assert match_recordings([near], ["a.wav"], durations_s={"a.wav": 10.0}).by_recording
        assert match_recordings([late], ["a.wav"]).by_recording

    @given(st.lists(st.sampled_from(["a.wav", "x/b.wav", "x/c.flac"])))
    def test_every_call_is_given_to_its_own_recording_in_order(self, names):
        calls = [call(name, row=row) for row, name in enumerate(names)]
        matched = match_recordings(calls, ["a.wav", "x/b.wav", "x/c.flac"]).by_recording
        for name in set(names):
            assert [one.row for one in matched[name]] == [
                row for row, other in enumerate(names) if other == name
            ]
        assert sum(map(len, matched.values())) == len(names)
