"""New folders: whole or not at all, and never over what is not ours."""

import pytest

from counter.errors import OutputError
from counter.folders import check_replaceable, new_folder

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
