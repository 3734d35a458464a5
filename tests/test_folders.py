"""New folders and files: whole or not at all, never over what is not ours, on Windows too."""

import os
from pathlib import Path

import pytest

from counter.errors import OutputError
from counter.storage import atomic
from counter.storage.atomic import (
    atomic_text,
    atomic_write,
    check_replaceable,
    check_writable,
    new_folder,
)

MARK = "mark.txt"


def fill(folder, mark=None, text="new"):
    with new_folder(folder, mark) as made:
        assert made.parent == folder.parent
        (made / MARK).write_text(text)


def test_the_folder_and_those_above_it_are_made(tmp_path):
    fill(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / MARK).read_text() == "new"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_empty_folder_gives_way(tmp_path):
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out")
    assert (tmp_path / "out" / MARK).read_text() == "new"


def test_a_marked_folder_is_replaced_whole(tmp_path):
    fill(tmp_path / "out", text="old")
    (tmp_path / "out" / "more.txt").write_text("old")
    check_replaceable(tmp_path / "out", MARK)
    fill(tmp_path / "out", MARK)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [MARK]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_block_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, error):
    fill(tmp_path / "out", text="old")

    def failing():
        with new_folder(tmp_path / "out", MARK) as made:
            (made / MARK).write_text("half")
            raise error

    with pytest.raises(error):
        failing()
    assert (tmp_path / "out" / MARK).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("mark", [None, MARK])
def test_what_came_there_during_the_work_is_not_touched(tmp_path, mark):
    out = tmp_path / "out"

    def overtaken():
        with new_folder(out, mark):
            out.mkdir()
            (out / "mine.txt").write_text("mine")

    with pytest.raises(OutputError, match="out"):
        overtaken()
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_where_a_folder_is_wanted_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as caught, new_folder(tmp_path / "file" / "out"):
        pass
    assert str(tmp_path / "file" / "out") in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="did not make it"):
        check_replaceable(tmp_path / "file", MARK)


def in_use(number=32):
    """What Windows says where another program has a file open, such as Excel a table."""
    error = PermissionError(13, "The process cannot access the file")
    error.winerror = number
    return error


@pytest.fixture
def held(monkeypatch):
    """Let ``os.replace`` fail over some paths, so many times, as it does on Windows."""
    monkeypatch.setattr(atomic.time, "sleep", lambda seconds: None)
    real, left = os.replace, {}

    def replace(source, target):
        if left.get(os.fspath(target), 0):
            left[os.fspath(target)] -= 1
            raise in_use()
        if os.path.isdir(target):
            raise in_use(5)  # Windows puts nothing in the place of a folder
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    return left


def write(path, text):
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def test_a_table_that_a_scanner_holds_for_a_moment_is_replaced(tmp_path, held):
    table = tmp_path / "r.csv"
    write(table, "old")
    held[str(table)] = 3
    write(table, "new")
    assert table.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [table]


def test_a_table_that_a_spreadsheet_holds_stays_and_it_is_said_what_to_do(tmp_path, held):
    table = tmp_path / "r.csv"
    write(table, "old")
    held[str(table)] = 1000
    with pytest.raises(OutputError) as caught:
        write(table, "new")
    assert str(caught.value) == (
        f"cannot write {table}: The process cannot access the file. If another program, such as "
        "Excel, has it open, close it there and run the same command again; else give another "
        "name with -o."
    )
    assert table.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [table]


def test_what_else_cannot_be_replaced_is_told_at_once(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(atomic.time, "sleep", lambda seconds: pytest.fail("waited"))
    with pytest.raises(OutputError, match=r"not permitted\. Give another name with -o\."):
        write(tmp_path / "r.csv", "new")


def test_an_empty_folder_gives_way_where_nothing_replaces_a_folder(tmp_path, held):
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out")
    fill(tmp_path / "out", MARK, text="newer")
    assert (tmp_path / "out" / MARK).read_text(encoding="utf-8") == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_earlier_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, held):
    fill(tmp_path / "out", text="old")
    held[str(tmp_path / "out")] = len(atomic._WAITS_S) + 1  # all tries of the new one
    with pytest.raises(OutputError, match="close it there"):
        fill(tmp_path / "out", MARK)
    assert (tmp_path / "out" / MARK).read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_path_too_long_for_windows_is_told_as_such(tmp_path):
    missing = FileNotFoundError(2, "The system cannot find the path specified")
    missing.winerror = 3
    path = tmp_path / ("n" * 230) / "r.csv"
    assert "no path of 260 letters or more" in str(OutputError.unwritable(path, missing))
    assert "260" not in str(OutputError.unwritable(tmp_path / "r.csv", missing))


def test_a_drive_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(OutputError, match="there is no /"):
        check_writable(tmp_path / "out")


def test_text_is_written_alike_on_every_system(tmp_path):
    with atomic_text(tmp_path / "t.txt") as file:
        file.write("a\r\nb\n\u0436 \udcff")
    assert (tmp_path / "t.txt").read_bytes() == "a\r\nb\nж \\udcff".encode()
