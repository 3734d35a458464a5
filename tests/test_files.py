"""Which recordings are found, in what order and under what names."""

import os
import sys

import pytest

from counter.errors import CallcountError
from counter.storage.inputs import find_recordings, suffixes


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 7)


def names(*paths, **options):
    return [recording.name for recording in find_recordings(paths, **options)]


def test_folders_are_searched_in_name_order_with_slashes(tmp_path):
    touch(tmp_path, "b.WAV", "a.flac", "deep/er/c.Mp3", "deep/a.ogg", "notes.txt", "no_suffix")
    assert names(tmp_path) == ["a.flac", "b.WAV", "deep/a.ogg", "deep/er/c.Mp3"]


def test_the_usual_suffixes_are_known_and_headerless_or_table_files_are_not():
    assert {".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus"} <= set(suffixes())
    assert {".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"} <= set(suffixes())
    assert not {".raw", ".mat", ".mat4", ".mat5", ".sd2", ".txt", ".csv"} & set(suffixes())


def test_a_record_says_where_how_large_and_when(tmp_path):
    touch(tmp_path, "a.wav")
    os.utime(tmp_path / "a.wav", (1_000_000, 1_000_000))
    (found,) = find_recordings([str(tmp_path)])
    assert found.path == str(tmp_path / "a.wav")
    assert (found.size_bytes, found.modified_s) == (7, 1_000_000)


def test_a_file_named_itself_is_taken_whatever_its_suffix(tmp_path):
    touch(tmp_path, "sub/sound.dat", "sub/.hidden")
    assert names(tmp_path / "sub" / "sound.dat") == ["sound.dat"]
    assert names(tmp_path / "sub" / ".hidden") == [".hidden"]


def test_hidden_files_folders_and_resource_forks_are_left_out(tmp_path):
    touch(tmp_path, "a.wav", "._a.wav", ".b.wav", ".trash/c.wav")
    assert names(tmp_path) == ["a.wav"]


def test_several_paths_are_named_from_their_common_parent(tmp_path):
    touch(tmp_path, "north/a.wav", "south/a.wav", "south/x/b.wav")
    expected = ["south/a.wav", "south/x/b.wav", "north/a.wav"]
    assert names(tmp_path / "south", tmp_path / "north") == expected
    assert names(tmp_path / "north/a.wav", tmp_path / "south/x") == ["north/a.wav", "south/x/b.wav"]
    assert names(tmp_path / "south", tmp_path / "south" / "x") == ["a.wav", "x/b.wav"]


def test_relative_and_absolute_paths_give_the_same_names(tmp_path, monkeypatch):
    touch(tmp_path, "north/a.wav", "south/b.wav")
    monkeypatch.chdir(tmp_path / "north")
    assert names(".", "../south") == ["north/a.wav", "south/b.wav"]
    assert names("a.wav") == ["a.wav"]
    assert find_recordings(["../south"])[0].path == "../south/b.wav"


def test_the_same_file_is_listed_once(tmp_path):
    touch(tmp_path, "a.wav", "sub/b.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    assert names(tmp_path, tmp_path, tmp_path / "sub" / "b.wav") == ["a.wav", "sub/b.wav"]
    assert names(tmp_path / "a.wav", tmp_path / "a.wav") == ["a.wav"]


def test_copies_are_listed_twice(tmp_path):
    touch(tmp_path, "a.wav", "copy of a.wav")
    assert names(tmp_path) == ["a.wav", "copy of a.wav"]


def test_linked_folders_are_followed_and_a_loop_ends(tmp_path):
    touch(tmp_path, "elsewhere/b.wav", "here/a.wav")
    (tmp_path / "here" / "loop").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "up").symlink_to(tmp_path)
    (tmp_path / "here" / "self").symlink_to(tmp_path / "here" / "self")
    found = names(tmp_path / "here")
    assert found == ["a.wav", "self", "up/elsewhere/b.wav"]


def test_broken_links_are_listed_to_fail_later(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "season2").symlink_to(tmp_path / "drive" / "season2")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "nowhere")
    found = {recording.name: recording.size_bytes for recording in find_recordings([tmp_path])}
    assert found == {"a.wav": 7, "gone.wav": -1, "season2": -1}
    assert names(tmp_path / "gone.wav") == ["gone.wav"]


def test_a_folder_that_cannot_be_listed_is_listed_itself(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav", "locked/b.wav")
    real = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(tmp_path) == ["a.wav", "locked"]
    assert names(tmp_path / "locked") == ["locked"]


def test_the_output_folder_is_not_searched_unless_asked_for(tmp_path):
    touch(tmp_path, "a.wav", "results/clip.wav", "results2/b.wav")
    out = tmp_path / "results"
    assert names(tmp_path, exclude=out) == ["a.wav", "results2/b.wav"]
    assert names(out, exclude=out) == ["clip.wav"]
    assert names(tmp_path, exclude=tmp_path / "not yet there") == [
        "a.wav",
        "results/clip.wav",
        "results2/b.wav",
    ]


@pytest.mark.parametrize(
    "name", ["with space.wav", "a,b.wav", 'quo"te.wav', "new\nline.wav", "声 é.wav"]
)
def test_unusual_names_are_kept(tmp_path, name):
    touch(tmp_path, name)
    assert names(tmp_path) == [name]


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system allows UTF-8 names only")
def test_names_that_are_not_utf8_stay_usable_writable_and_unique(tmp_path):
    folder = os.fsencode(tmp_path)
    for name in (b"x\xff.wav", b"x\\xff.wav"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"12")
    found = find_recordings([tmp_path])
    assert [recording.name for recording in found] == ["x\\xff.wav", "x\\xff.wav (2)"]
    assert all(recording.name.encode("utf-8") for recording in found)
    assert sorted(os.fsencode(os.path.basename(r.path)) for r in found) == [
        b"x\\xff.wav",
        b"x\xff.wav",
    ]


def test_a_missing_path_is_named_with_a_near_one(tmp_path):
    touch(tmp_path, "Forest Recordings/a.wav")
    with pytest.raises(CallcountError, match="does not exist") as caught:
        find_recordings([tmp_path / "forest recording"])
    assert caught.value.exit_code == 2
    assert f"Did you mean {tmp_path / 'Forest Recordings'}?" in str(caught.value)


def test_a_missing_path_with_nothing_near_says_so_plainly(tmp_path):
    with pytest.raises(CallcountError, match=r"zzz does not exist\. Check the path\."):
        find_recordings([tmp_path / "zzz"])
    with pytest.raises(CallcountError, match="cannot be listed either"):
        find_recordings([tmp_path / "zzz" / "a.wav"])


def test_nothing_found_says_what_was_looked_for(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(CallcountError, match=r"no recordings in .*\.flac .*\.wav") as caught:
        find_recordings([tmp_path])
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(CallcountError, match="no recordings"):
        find_recordings([])
