"""Paths as Windows writes them: in tables, as URLs, on drives, hidden; times before 1970."""

import ntpath
import os
import stat
import zipfile
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import BundleError, CallcountError
from counter.estimation.stretches import strata
from counter.formats.annotations import match_recordings, read_annotations
from counter.formats.writers import root_and_folder
from counter.storage import inputs
from counter.storage.inputs import find_recordings, identity, is_hidden, name_prefix
from counter.storage.upload import cache_folder
from counter.storage.urls import is_url, local_path
from counter.timestamps import moment_of

RECORDINGS = ["north/a.wav", "north/b.wav", "south/a.wav"]


def table(tmp_path, name, *lines):
    (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return tmp_path / name


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "path", ["south/a.wav", "south\\a.wav", ".\\south\\a.wav", "C:\\season\\south\\a.wav"]
)
@pytest.mark.parametrize("kind", ["csv", "raven"])
def test_calls_are_found_whichever_way_the_strokes_lean(tmp_path, kind, path, ends):
    lines = ["recording,start_s,end_s", f"{path},1,2"]
    if kind == "raven":
        lines = ["Begin Time (s)\tEnd Time (s)\tBegin Path", f"1\t2\t{path}"]
    file = tmp_path / f"calls.{'csv' if kind == 'csv' else 'txt'}"
    file.write_text(ends.join([*lines, ""]), encoding="utf-8", newline="")
    matched = match_recordings(read_annotations(file), RECORDINGS)
    assert list(matched.by_recording) == ["south/a.wav"]


@pytest.mark.parametrize("path", ["{}", "D:\\season\\{}"])
def test_strata_of_a_table_are_found_whichever_way_the_strokes_lean(tmp_path, path):
    rows = [f"{path.format(name)},{name[0]}".replace("/", "\\") for name in RECORDINGS]
    file = table(tmp_path, "recordings.csv", "recording,habitat", *rows)
    found = strata(None, RECORDINGS, by="habitat", table=file)
    assert found == {name: name[0] for name in RECORDINGS}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("C:\\x\\a.wav", False),
        ("C:/x/a.wav", False),
        ("c://x/a.wav", False),
        ("s3://b/a.wav", True),
    ],
)
def test_a_drive_is_no_scheme(path, url):
    assert is_url(path) == url
    assert local_path(path, is_windows=True) == path


@pytest.mark.parametrize(
    ("url", "on_windows", "elsewhere"),
    [
        ("file:///C:/season/a%20b.wav", "C:/season/a b.wav", "/C:/season/a b.wav"),
        ("FILE://localhost/D:/a.wav", "D:/a.wav", "/D:/a.wav"),
        ("file:///home/a.wav", "/home/a.wav", "/home/a.wav"),
        ("file://server/share/a.wav", "//server/share/a.wav", "file://server/share/a.wav"),
        ("https://host/C:/a.wav", "https://host/C:/a.wav", "https://host/C:/a.wav"),
    ],
)
def test_a_url_of_a_file_is_a_path_of_this_machine(url, on_windows, elsewhere):
    assert local_path(url, is_windows=True) == on_windows
    assert local_path(url, is_windows=False) == elsewhere


def test_recordings_are_found_by_a_url_of_their_folder(tmp_path):
    folder = tmp_path / "season 1"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"x")
    (found,) = find_recordings([folder.as_uri()])
    assert (found.path, found.name) == (str(folder / "a.wav"), "a.wav")


@pytest.mark.parametrize(
    ("folder", "base", "prefix"),
    [
        ("C:\\season\\north", "C:\\season", "north/"),
        ("c:\\Season\\north\\1", "C:\\season", "north/1/"),
        ("C:\\season", "C:\\season", ""),
        ("E:\\", "E:\\", ""),
        ("E:\\north", "E:\\", "north/"),
        ("\\\\server\\share\\north", "\\\\server\\share\\", "north/"),
        ("D:\\north", "", "D/north/"),
        ("D:\\", "", "D/"),
        ("\\\\server\\share\\north", "", "server/share/north/"),
    ],
)
def test_names_of_recordings_have_no_backslash_and_no_colon(folder, base, prefix):
    assert name_prefix(folder, base, ntpath) == prefix


def test_paths_of_two_drives_have_no_common_parent(tmp_path, monkeypatch):
    def refuse(paths):
        raise ValueError("Paths don't have the same drive")

    for place in ("c/a.wav", "d/a.wav"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_bytes(b"x")
    monkeypatch.setattr(os.path, "commonpath", refuse)
    names = [one.name for one in find_recordings([tmp_path / "c", tmp_path / "d"])]
    assert names == [f"{tmp_path}/{place}"[1:] for place in ("c/a.wav", "d/a.wav")]


def test_a_folder_whose_closing_quote_was_taken_is_told_why(monkeypatch):
    monkeypatch.setattr(inputs.os, "name", "nt")
    with pytest.raises(CallcountError, match="before a closing quote"):
        find_recordings(['Forest Recordings" -o r.csv'])


@pytest.mark.parametrize(
    ("name", "attributes", "hidden"),
    [
        ("a.wav", stat.FILE_ATTRIBUTE_ARCHIVE, False),
        ("season", stat.FILE_ATTRIBUTE_DIRECTORY, False),
        ("$RECYCLE.BIN", stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_DIRECTORY, True),
        ("System Volume Information", stat.FILE_ATTRIBUTE_SYSTEM, True),
        (".a.wav", 0, True),
    ],
)
def test_what_windows_hides_is_hidden(monkeypatch, name, attributes, hidden):
    found = SimpleNamespace(st_file_attributes=attributes)
    entry = SimpleNamespace(name=name, stat=lambda follow_symlinks: found)
    monkeypatch.setattr(inputs.os, "name", "nt")
    assert is_hidden(entry) == hidden


def test_folders_of_a_drive_without_inodes_are_all_searched(tmp_path, monkeypatch):
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path / "north")
    real = os.stat

    def without_inode(path, **options):
        found = list(real(path, **options))
        found[stat.ST_INO] = 0
        return os.stat_result(found)

    monkeypatch.setattr(inputs.os, "stat", without_inode)
    assert identity(str(tmp_path / "north")) != identity(str(tmp_path / "south"))
    assert [one.name for one in find_recordings([tmp_path])] == ["again/a.wav", "south/a.wav"]


@pytest.mark.parametrize(
    ("path", "name", "parts"),
    [
        ("C:\\season\\north\\1\\a.wav", "north/1/a.wav", ("C:\\season", "north\\1")),
        ("C:\\north\\a.wav", "north/a.wav", ("C:\\", "north")),
        ("C:\\season\\a.wav", "a.wav", ("C:\\season", "")),
        ("C:\\season\\a.wav", "other/a.wav", ("C:\\season", "")),
        ("\\\\server\\share\\north\\a.wav", "north/a.wav", ("\\\\server\\share\\", "north")),
    ],
)
def test_kaleidoscope_finds_a_recording_by_its_root_and_folder(path, name, parts):
    assert root_and_folder(path, name, ntpath) == parts
    root, folder = parts
    assert ntpath.join(root, folder, ntpath.basename(path)) == path


def test_what_can_be_made_again_goes_where_each_system_has_it(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder("win32") == Path.home() / "AppData" / "Local"
    assert cache_folder("darwin") == Path.home() / "Library" / "Caches"
    assert cache_folder("linux") == Path.home() / ".cache"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache_folder("win32") == tmp_path
    assert cache_folder("linux") == Path.home() / ".cache"


@given(st.floats(-1.2e10, 1e11), st.sampled_from([timezone.utc, ZoneInfo("Europe/Paris")]))
def test_a_moment_is_as_many_seconds_after_1970_as_are_said(epoch_s, zone):
    found = moment_of(epoch_s, zone)
    assert found.tzinfo is zone
    assert found - datetime(1970, 1, 1, tzinfo=timezone.utc) == timedelta(seconds=epoch_s)


@pytest.mark.parametrize("name", ["../x", "/x", "..\\x", "C:\\x", "C:x", "\\\\server\\share\\x"])
def test_a_zip_file_that_leads_out_of_its_folder_is_refused_on_every_system(name):
    from training.models.litert_run import unpacked

    def packed(*names):
        content = BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for one in names:
                archive.writestr(one, b"graph")
        return content.getvalue()

    inside = ("saved_model.pb", "variables/variables.index")
    assert set(unpacked(packed(*inside), "a.zip")) == set(inside)
    with pytest.raises(BundleError, match="lead out of its folder"):
        unpacked(packed(*inside, name), "a.zip")
