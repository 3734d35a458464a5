"""Paths, tables and manifest of a scan."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes import rows_of
from written_tables import write_manifest, write_tables

from counter.errors import OutputError
from counter.plots.canvas import palette
from counter.records import FAILED, OK, TRUNCATED, Event, FileResult, Recording
from counter.scanning.outputs import make_folders, plan_outputs, remove_old
from counter.storage.atomic import atomic_write
from counter.storage.png import encode_png
from counter.tables.csv import plain
from counter.tables.manifest import MAX_NAME_BYTES, Manifest, OutputPaths, plot_names

BANDS = {"capuchinbird": (100.0, 1500.0), "piha": (400.0, 4000.0)}
AWKWARD = [
    "plain.wav",
    "with, comma.wav",
    'with "quotes".wav',
    "two\nlines.wav",
    "old mac\rline.wav",
    "both\r\nends.wav",
    " spaces around ",
    "запись/録音 Ærø.flac",
]


EVENT_HEADER = (
    "recording,event,label,start_s,end_s,peak_s,score,low_hz,high_hz,"
    "start_time,start_utc,start_local,site"
)


def result(name: str, *labels: str, status: str = OK, scanned_s: float = 180.0) -> FileResult:
    events = tuple(
        Event(label, 10.0 * number, 10.0 * number + 4.0, 10.0 * number + 1.0625, 0.98765)
        for number, label in enumerate(labels)
    )
    message = "cannot be read" if status == FAILED else ""
    duration_s = 0.0 if status == FAILED else 200.0
    return FileResult(Recording(name, name), status, message, duration_s, scanned_s, events)


def png_named(path: Path) -> None:
    path.write_bytes(encode_png(np.zeros((2, 2), np.uint8), palette(), path.name))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


class TestPlan:
    def test_everything_else_is_in_a_folder_of_the_same_name(self, tmp_path: Path) -> None:
        paths = plan_outputs(tmp_path / "x" / "may.2.csv")
        assert paths.results == tmp_path / "x" / "may.2.csv"
        assert paths.events == tmp_path / "x" / "may.2" / "events.csv"
        assert paths.manifest == tmp_path / "x" / "may.2" / "manifest.json"
        assert paths.plots == tmp_path / "x" / "may.2" / "plots"
        assert paths.overview == paths.plots / "overview.png"

    def test_makes_nothing(self, tmp_path: Path) -> None:
        plan_outputs(tmp_path / "x" / "y.csv")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("results", "does not end in .csv"),
            ("results.txt", "does not end in .csv"),
            (".", "is a folder"),
            ("file/results.csv", "is a file"),
            ("n" * 300 + ".csv", "cannot write"),
        ],
    )
    def test_refuses_a_path_that_cannot_be(self, tmp_path: Path, name: str, words: str) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputError, match=words) as caught:
            plan_outputs(tmp_path / name)
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("r.csv", "name,age\nann,3\n"),
            ("r.csv", "recording,calls,duration_s\n"),
            ("r.csv", "\x00\xff binary"),
            ("r/events.csv", "event,when\n"),
            ("r/manifest.json", '{"made_by": "someone else"}'),
            ("r/manifest.json", "no json"),
            ("r/manifest.json", "[1]"),
            ("r", "a file where the folder goes"),
            ("r/plots", "a file where the folder goes"),
        ],
    )
    def test_a_file_of_somebody_else_is_a_clash(self, tmp_path: Path, name: str, text: str) -> None:
        other = tmp_path / name
        other.parent.mkdir(exist_ok=True)
        other.write_text(text)
        with pytest.raises(OutputError) as caught:
            plan_outputs(tmp_path / "r.csv")
        assert str(other) in caught.value.what
        assert caught.value.fix
        assert other.read_text() == text

    def test_a_folder_named_like_a_table_is_a_clash(self, tmp_path: Path) -> None:
        (tmp_path / "r" / "events.csv").mkdir(parents=True)
        with pytest.raises(OutputError, match=r"events\.csv"):
            plan_outputs(tmp_path / "r.csv")

    @pytest.mark.parametrize("labels", [["capuchinbird"], ["capuchinbird", "piha"]])
    def test_results_of_an_earlier_scan_are_no_clash(
        self, tmp_path: Path, labels: list[str]
    ) -> None:
        paths = plan_outputs(tmp_path / "r.csv")
        make_folders(paths, plots=True)
        write_tables(paths.results, [result("a.wav")], labels, BANDS)
        write_manifest(paths.manifest, manifest())
        assert vars(plan_outputs(tmp_path / "r.csv")) == vars(paths)

    def test_an_empty_file_may_be_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "r.csv").touch()
        assert plan_outputs(tmp_path / "r.csv").results == tmp_path / "r.csv"

    @pytest.mark.skipif(
        getattr(os, "geteuid", int)() == 0, reason="the superuser may write anywhere"
    )
    @pytest.mark.parametrize("name", ["r.csv", "shut/r.csv", "shut/deeper/r.csv"])
    def test_a_folder_that_may_not_be_written(self, tmp_path: Path, name: str) -> None:
        for shut in (tmp_path / "r", tmp_path / "shut"):
            shut.mkdir(mode=0o500)
        with pytest.raises(OutputError, match="cannot write"):
            plan_outputs(tmp_path / name)


class TestFolders:
    def test_makes_the_plot_folder_where_it_is_wanted(self, tmp_path: Path) -> None:
        paths = OutputPaths(tmp_path / "deep" / "r.csv")
        make_folders(paths, plots=False)
        assert paths.folder.is_dir()
        assert not paths.plots.exists()
        make_folders(paths, plots=True)
        assert paths.plots.is_dir()

    def test_removes_own_plots_alone_but_those_still_right(self, tmp_path: Path) -> None:
        paths = OutputPaths(tmp_path / "r.csv")
        paths.plots.mkdir(parents=True)
        for name in ("a.wav.png", "b.wav.png"):
            png_named(paths.plots / name)
        (paths.plots / "kept copy.png").write_bytes((paths.plots / "a.wav.png").read_bytes())
        (paths.plots / "photo.png").write_bytes(b"\x89PNG of a bird")
        (paths.plots / "notes.txt").write_text("mine")
        remove_old(paths, but=["b.wav.png"])
        left = sorted(path.name for path in paths.plots.iterdir())
        assert left == ["b.wav.png", "kept copy.png", "notes.txt", "photo.png"]

    def test_says_where_a_folder_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(OutputError, match="file"):
            make_folders(OutputPaths(tmp_path / "file" / "r.csv"), plots=True)


class TestAtomicWrite:
    def test_the_file_is_there_whole_and_nothing_else(self, tmp_path: Path) -> None:
        target = tmp_path / "t.csv"
        target.write_text("old")
        with atomic_write(target) as temporary:
            temporary.write_text("new")
            assert target.read_text() == "old"
        assert target.read_text() == "new"
        assert list(tmp_path.iterdir()) == [target]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_an_error_leaves_what_was_there(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        target = tmp_path / "t.csv"
        target.write_text("old")

        def fail_half_way() -> None:
            with atomic_write(target) as temporary:
                temporary.write_text("half")
                raise error

        with pytest.raises(error):
            fail_half_way()
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_a_missing_folder_is_an_output_error(self, tmp_path: Path) -> None:
        missing = tmp_path / "gone" / "t.csv"
        with pytest.raises(OutputError, match="gone"), atomic_write(missing) as temporary:
            temporary.write_text("x")


class TestResults:
    def test_every_recording_has_a_row_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "r.csv"
        write_tables(
            path,
            [
                result("b.wav", "capuchinbird", "capuchinbird"),
                result("a.wav"),
                result("bad.wav", status=FAILED, scanned_s=0.0),
                result("cut.wav", "capuchinbird", status=TRUNCATED, scanned_s=90.0),
            ],
            ["capuchinbird"],
            BANDS,
        )
        assert path.read_bytes().decode() == (
            "recording,calls,duration_s,scanned_s,calls_per_hour,status,message\n"
            "b.wav,2,200.000,180.000,40.000,ok,\n"
            "a.wav,0,200.000,180.000,0.000,ok,\n"
            "bad.wav,,,0.000,,failed,cannot be read\n"
            "cut.wav,1,200.000,90.000,40.000,truncated,\n"
        )

    def test_several_labels_have_a_column_each(self, tmp_path: Path) -> None:
        path = tmp_path / "r.csv"
        found = [result("a.wav", "piha", "capuchinbird", "piha"), result("b.wav", status=FAILED)]
        write_tables(path, found, list(BANDS), BANDS)
        table = pd.read_csv(path)
        columns = ["recording", "calls", "calls_capuchinbird", "calls_piha", "duration_s"]
        assert list(table.columns[:5]) == columns
        assert table.loc[0, ["calls", "calls_capuchinbird", "calls_piha"]].tolist() == [3, 1, 2]
        assert table.loc[1, ["calls", "calls_capuchinbird", "calls_piha"]].isna().all()

    def test_nothing_scanned_has_no_rate(self, tmp_path: Path) -> None:
        path = tmp_path / "r.csv"
        write_tables(path, [result("a.wav", status=TRUNCATED, scanned_s=0.0)], ["piha"], BANDS)
        assert rows_of(path)[0]["calls"] == "0"
        assert rows_of(path)[0]["calls_per_hour"] == ""

    def test_awkward_names_come_back(self, tmp_path: Path) -> None:
        path = tmp_path / "r.csv"
        write_tables(path, [result(name) for name in AWKWARD], ["capuchinbird"], BANDS)
        assert [row["recording"] for row in rows_of(path)] == AWKWARD
        assert pd.read_csv(path)["recording"].tolist() == AWKWARD

    @settings(max_examples=40)
    @given(names=st.lists(TEXT))
    def test_any_name_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, names: list[str]
    ) -> None:
        path = tmp_path_factory.mktemp("names") / "r.csv"
        write_tables(path, [result(name) for name in names], ["capuchinbird"], BANDS)
        assert [plain(row["recording"]) for row in rows_of(path)] == names

    def test_a_name_that_is_no_text_is_escaped(self, tmp_path: Path) -> None:
        path = tmp_path / "r.csv"
        write_tables(path, [result(os.fsdecode(b"caf\xe9.wav"))], ["capuchinbird"], BANDS)
        assert rows_of(path)[0]["recording"] == r"caf\udce9.wav"


class TestEvents:
    def test_one_row_an_event_numbered_within_its_recording(self, tmp_path: Path) -> None:
        found = [result("b.wav", "piha", "capuchinbird"), result("s.wav"), result("a.wav", "piha")]
        paths = write_tables(tmp_path / "r.csv", found, list(BANDS), BANDS)
        assert paths.events.read_bytes().decode() == (
            f"{EVENT_HEADER}\n"
            "b.wav,1,piha,0.000,4.000,1.062,0.9877,400.0,4000.0,,,,\n"
            "b.wav,2,capuchinbird,10.000,14.000,11.062,0.9877,100.0,1500.0,,,,\n"
            "a.wav,1,piha,0.000,4.000,1.062,0.9877,400.0,4000.0,,,,\n"
        )

    def test_without_events_there_is_the_header(self, tmp_path: Path) -> None:
        paths = write_tables(tmp_path / "r.csv", [result("silent.wav")], list(BANDS), BANDS)
        assert paths.events.read_text().splitlines() == [EVENT_HEADER]
        assert pd.read_csv(paths.events).empty

    def test_the_same_events_give_the_same_bytes(self, tmp_path: Path) -> None:
        found = [result(awkward, "piha") for awkward in AWKWARD]
        one, two = (
            write_tables(tmp_path / name, found, list(BANDS), BANDS).events
            for name in ("one.csv", "two.csv")
        )
        assert one.read_bytes() == two.read_bytes()
        assert one.stat().st_size > 0


def manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "command": ("callcount", "scan", "Forest Recordings/"),
        "versions": {"numpy": "1.26.4", "callcount": "0.1.0"},
        "bundle": {"path": "b", "name": "capuchinbird", "hash": "ab", "which": "shipped"},
        "settings": {"rules": {"threshold": 0.5, "gap_s": 0.4}, "jobs": 2},
        "inputs": (Recording("/x/ü.wav", "ü.wav", 1234, 1_714_557_600.0), Recording("y", "a.wav")),
        "started_s": 1_714_564_800.0,
        "wall_s": 2.0,
        "audio_s": 3600.0,
        "n_earlier": 0,
        "counts": {"ok": 1, "failed": 1},
        "plots": ("overview.png",),
    }
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


class TestManifest:
    def test_says_how_the_results_came_about(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        write_manifest(path, manifest())
        data = json.loads(path.read_text(encoding="utf-8"))
        assert data["command"] == ["callcount", "scan", "Forest Recordings/"]
        assert data["started"] == "2024-05-01T12:00:00Z"
        assert data["times_real_time"] == 1800.0
        assert data["inputs"] == [
            {"name": "ü.wav", "size_bytes": 1234, "modified": "2024-05-01T10:00:00Z"},
            {"name": "a.wav", "size_bytes": None, "modified": None},
        ]
        assert list(data["versions"]) == ["callcount", "numpy"]
        assert list(data["settings"]["rules"]) == ["gap_s", "threshold"]
        assert "ü.wav" in path.read_text(encoding="utf-8")

    def test_no_wall_time_has_no_rate(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        write_manifest(path, manifest(wall_s=0.0))
        assert json.loads(path.read_text())["times_real_time"] is None

    def test_a_name_that_is_no_text_comes_back(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        name = os.fsdecode(b"caf\xe9.wav")
        write_manifest(path, manifest(inputs=(Recording(name, name),)))
        assert json.loads(path.read_text(encoding="utf-8"))["inputs"][0]["name"] == name


class TestPlotNames:
    def test_reads_like_the_recording(self) -> None:
        assert plot_names(["a/b 1.wav", "запись.mp3", ".hidden.wav"]) == {
            "a/b 1.wav": "a__b_1.wav.png",
            "запись.mp3": "запись.mp3.png",
            ".hidden.wav": "_hidden.wav.png",
        }

    @pytest.mark.parametrize(
        "names",
        [["a/b.wav", "a__b.wav"], ["A.wav", "a.wav"], ["a?.wav", "a*.wav"], ["\u00e9", "e\u0301"]],
    )
    def test_names_that_would_meet_are_told_apart(self, names: list[str]) -> None:
        files = plot_names(names)
        assert len({file.casefold() for file in files.values()}) == 2
        assert plot_names(names[::-1]) == files

    def test_no_recording_takes_the_name_of_the_overview(self) -> None:
        assert plot_names(["overview"])["overview"] != "overview.png"

    @given(st.lists(st.text(min_size=1), unique=True))
    def test_any_names_are_safe_bounded_and_unlike(self, names: list[str]) -> None:
        files = plot_names(names)
        assert set(files) == set(names)
        assert len({file.casefold() for file in files.values()}) == len(names)
        for file in files.values():
            assert len(file.encode()) <= MAX_NAME_BYTES
            assert file.endswith(".png")
            assert not file.startswith(".")
            assert "/" not in file
            assert file.isprintable()

    def test_a_long_name_is_cut_and_still_its_own(self) -> None:
        names = ["鳥" * 200 + ending for ending in "ab"]
        files = plot_names(names)
        assert len(set(files.values())) == 2
        assert all(len(file.encode()) <= MAX_NAME_BYTES for file in files.values())
