"""File names that are made of names of recordings, labels and models: every system takes them."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import OutputError
from counter.formats.audacity import label_namer
from counter.formats.event_clips import clip_names
from counter.mining.mine_table import clip_stem
from counter.storage.file_names import check_names, is_device, safe_name, system_path
from counter.tables.manifest import plot_names

DEVICES = ["CON", "con.wav", "Aux", "nul.tar.gz", "COM1", "lpt9.x", "com\u00b2", "PRN .wav"]
NAMES = st.one_of(
    st.text(min_size=1),
    st.text("CONAUXcom1. /:", min_size=1, max_size=6),
    st.sampled_from([*DEVICES, "a.", "a. ", ".", "..", "2024-05-01T10:00:00.wav", "C:\\x\\a.wav"]),
)


def is_taken(name):
    """Whether Windows, by its documentation, takes this as the name of a file or folder."""
    stem = re.split(r"\.", name)[0].rstrip(" ").upper()
    ports = {f"{port}{n}" for port in ("COM", "LPT") for n in "123456789\u00b9\u00b2\u00b3"}
    devices = {"CON", "PRN", "AUX", "NUL", *ports}
    has_odd = any(ord(char) < 32 or char in '<>:"/\\|?*' for char in name)
    return bool(name) and not has_odd and name[-1] not in ". " and stem not in devices


@pytest.mark.parametrize("name", DEVICES)
def test_devices_of_windows_are_known_whatever_their_case_and_suffix(name):
    assert is_device(name)
    assert not is_taken(name)


@pytest.mark.parametrize("name", ["CONE", "a.con", "COM", "COM10", "console.wav", "_CON", "nulls"])
def test_a_name_that_holds_a_device_is_none(name):
    assert not is_device(name)
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("20240501_053000.wav", "20240501_053000.wav"),
        ("запись 録音.flac", "запись_録音.flac"),
        ("2024-05-01T10:00:00Z", "2024-05-01T10_00_00Z"),
        ("C:\\season\\a.wav", "C__season_a.wav"),
        ("CON.wav", "_CON.wav"),
        ("wren.", "wren_"),
        (".hidden", "_hidden"),
        ("e\u0301", "\u00e9"),
        ("..", "__"),
        ("", "_"),
    ],
)
def test_a_safe_name_reads_like_the_text(name, file):
    assert safe_name(name) == file


@given(NAMES)
def test_any_text_becomes_a_name_that_every_system_takes_and_that_stays_so(text):
    assert is_taken(safe_name(text))
    assert safe_name(safe_name(text)) == safe_name(text)
    assert is_taken(clip_stem(text))


@given(st.lists(NAMES, unique=True, min_size=1, max_size=8))
def test_pictures_clips_and_labels_have_names_that_every_system_takes(names):
    assert all(map(is_taken, plot_names(names).values()))
    pairs = zip(names, reversed(names), strict=True)
    rows = [SimpleNamespace(recording=name, label=label, event=1) for name, label in pairs]
    for clip in clip_names(rows):
        assert all(map(is_taken, clip.split("/")))
    file_of = label_namer(names)
    for name in names:
        assert all(map(is_taken, PurePosixPath(file_of(name)).parts))


@pytest.mark.parametrize("name", DEVICES)
def test_a_label_file_still_says_whose_it_is(name):
    assert unquote(label_namer([name])(name)) == f"{name}.txt"


@pytest.mark.parametrize(
    "output", ["night 10:30.csv", "C:\\out\\what?.csv", "nul.csv", "aux\\r.csv", "a. \\r.csv"]
)
def test_an_output_that_windows_cannot_hold_is_refused_before_the_work(output):
    with pytest.raises(OutputError, match="Windows takes no file or folder named"):
        check_names(PureWindowsPath(output), is_windows=True)
    check_names(Path(output), is_windows=False)


@pytest.mark.parametrize(
    "output",
    ["r.csv", "C:\\season 2024\\r.csv", "..\\r.csv", "\\\\server\\share\\r.csv", "D:r.csv"],
)
def test_an_output_that_windows_can_hold_is_not(output):
    check_names(PureWindowsPath(output), is_windows=True)


def test_a_path_too_long_for_windows_is_opened_all_the_same():
    long = "C:\\" + "\\".join(["folder"] * 40) + "\\a.wav"
    assert len(long) > 260
    assert system_path(long, is_windows=True) == "\\\\?\\" + long
    assert system_path(long.replace("\\", "/"), is_windows=True) == "\\\\?\\" + long
    shared = "\\\\server\\share\\" + long[3:]
    assert system_path(shared, is_windows=True) == "\\\\?\\UNC\\server\\share\\" + long[3:]
    assert system_path("\\\\?\\" + long, is_windows=True) == "\\\\?\\" + long
    for path in ("C:/season/a.wav", "a.wav"):
        assert system_path(path, is_windows=True) == path
    assert system_path(long, is_windows=False) == long
