"""Results of a scan read back."""

import json

import pytest
from written_tables import write_manifest, write_tables

from counter.errors import CallcountError
from counter.events.rules import EventRules
from counter.records import FAILED, OK, TRUNCATED, Event, FileResult, Recording
from counter.tables import columns
from counter.tables.manifest import Manifest
from counter.tables.results import read_results

NAMES = ['a, "b".wav', "two\nlines.wav", "NA", "001", "запись/録音.flac"]


def event(label, start_s):
    return Event(label, start_s, start_s + 1.5, start_s + 0.5, 0.75)


def results_of(labels):
    """A scan of five recordings: with events, without, cut short, failed, with one event."""
    first, last = labels[0], labels[-1]
    events = [
        (event(first, 1.0), event(last, 4.0)),
        (),
        (event(last, 2.0),),
        (),
        (event(first, 0),),
    ]
    states = [OK, OK, TRUNCATED, FAILED, OK]
    return [
        FileResult(
            Recording(name, name, 10, 0.0),
            status,
            "" if status == OK else "why",
            0.0 if status == FAILED else 10.0,
            0.0 if status == FAILED else 8.0,
            heard,
        )
        for name, status, heard in zip(NAMES, states, events, strict=True)
    ]


@pytest.fixture
def scanned(tmp_path):
    def leave(labels=("wren",), **changes):
        results = results_of(labels)
        bands = {label: (1.0, 2.0) for label in labels}
        write_tables(tmp_path / "r.csv", results, labels, bands)
        facts = {
            "command": ("callcount",),
            "versions": {},
            "bundle": {"hash": "abc", "name": "made", "path": "x", "which": "given"},
            "settings": {
                "paths": ["/season"],
                "rules": {label: EventRules(threshold=0.7).model_dump() for label in labels},
            },
            "inputs": tuple(result.recording for result in results),
            "started_s": 0.0,
            "wall_s": 1.0,
            "audio_s": 1.0,
            "n_earlier": 0,
            "counts": {},
        }
        write_manifest(tmp_path / "r" / "manifest.json", Manifest(**{**facts, **changes}))
        return tmp_path / "r.csv"

    return leave


def test_a_scan_from_before_a_column_was_added_is_read(scanned, monkeypatch):
    path = scanned()
    monkeypatch.setitem(columns.RESULT_COLUMNS, "of_a_later_version", "what it says")
    assert [one.calls for one in read_results(path).recordings] == [2, 0, 1, None, 1]


@pytest.mark.parametrize("labels", [("wren",), ("wren", "robin")])
def test_what_was_written_comes_back(scanned, labels):
    found = read_results(scanned(labels))
    assert [one.name for one in found.recordings] == NAMES
    assert [one.status for one in found.recordings] == [OK, OK, TRUNCATED, FAILED, OK]
    assert [one.calls for one in found.recordings] == [2, 0, 1, None, 1]
    assert [one.duration_s for one in found.recordings] == [10.0, 10.0, 10.0, None, 10.0]
    assert [one.scanned_s for one in found.recordings] == [8.0, 8.0, 8.0, 0.0, 8.0]
    assert found.labels == labels
    written = [tuple(result.events) for result in results_of(labels)]
    assert [found.events_of(number) for number in range(5)] == written
    assert found.facts.bundle["hash"] == "abc"
    assert found.facts.rules["wren"].threshold == 0.7
    assert found.facts.paths == ("/season",)


def test_a_scan_without_any_event_is_read(scanned):
    path = scanned()
    results = [FileResult(Recording("a", "a"), OK, "", 1.0, 1.0)]
    write_tables(path, results, ["wren"], {})
    found = read_results(path)
    assert found.events_of(0) == ()
    assert len(found.event_table.start_s) == 0


def test_results_of_an_earlier_callcount_name_no_paths(scanned):
    rules = {"wren": EventRules().model_dump()}
    assert read_results(scanned(settings={"rules": rules})).facts.paths == ()


def refused(path):
    with pytest.raises(CallcountError) as caught:
        read_results(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["r.csv", "r/events.csv", "r/manifest.json"])
def test_a_missing_file_is_named(scanned, name):
    path = scanned()
    (path.parent / name).unlink()
    told = refused(path)
    assert f"{path.parent / name} is missing" in told
    assert told.endswith("Check the path." if name == "r.csv" else "has to stay beside its table.")


def test_a_folder_is_no_table(scanned):
    assert "is a folder. Name the table" in refused(scanned().with_suffix(""))


@pytest.mark.parametrize("name", ["r.csv", "r/events.csv", "r/manifest.json"])
@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"\xff\xfe\x00"])
def test_what_callcount_did_not_make_is_refused(scanned, name, content):
    path = scanned()
    (path.parent / name).write_bytes(content)
    said = refused(path)
    assert str(path.parent / name) in said


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("r.csv", "NA,1,", "NA,one,", "the row of NA is damaged"),
        ("r.csv", "NA,1,", "NA,2,", "are not of one scan"),
        ("r.csv", ",truncated,", ",odd,", "unknown status 'odd'"),
        ("r/events.csv", "4.000", "four", "cannot read"),
        ("r/events.csv", "NA,1", "NB,1", "'NB' is no recording of this scan"),
        ("r/events.csv", "NA,1,wren", "NA,1,owl", "'owl' is no label of this scan"),
        ("r/manifest.json", '"rules"', '"ruled"', "cannot read"),
        ("r/manifest.json", '"release": 0.5', '"release": 2', "rules of wren"),
    ],
)
def test_what_was_changed_since_is_told(scanned, name, old, new, words):
    path = scanned()
    edit(path.parent / name, old, new)
    assert words in refused(path)


def test_labels_of_another_scan_are_told(scanned):
    path = scanned(("wren", "robin"))
    manifest = path.parent / "r" / "manifest.json"
    data = json.loads(manifest.read_text())
    data["settings"]["rules"] = {"wren": data["settings"]["rules"]["wren"]}
    manifest.write_text(json.dumps(data))
    assert "are not of one scan" in refused(path)
