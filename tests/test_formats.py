"""Events in the formats of other programs, each read back by something that is not callcount."""

import json
import sys
import weakref
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import yaml
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from hypothesis import given
from hypothesis import strategies as st
from outcomes import refusal, rows_of
from written_tables import write_tables

from counter.bundle import Calibration
from counter.cli.main import run
from counter.formats.annotations import match_recordings, read_annotations
from counter.formats.audacity import label_namer
from counter.formats.event_clips import (
    BY_CHANCE,
    BY_SCORE,
    choose_clips,
    clip_names,
    write_clips,
)
from counter.formats.writers import FORMAT_NAMES, FORMATS
from counter.records import FAILED, OK, TRUNCATED, Event, FileResult, Origin, Recording
from counter.tables.event_rows import ScanEvents

LABELS = ("wren", "screaming piha")
BANDS = {"wren": (1000.0, 8000.0), "screaming piha": (400.0, 4000.0)}
# A folder with a comma, names that a table has to quote, one file name in two folders.
NAMES = (
    "a.wav",
    "site, 1/a.wav",
    "site, 1/b 'two'.flac",
    "site, 1/broken.wav",
    "запись/=1+1.wav",
    "запись/2024-05-01T06:00:00.wav",
)
OTHERS = [name for name in FORMAT_NAMES if name != "csv"]
# To the millisecond, whatever was rounded or counted through all recordings.
NEAR_S = 0.001


@pytest.fixture
def results(tmp_path):
    """A scan of six recordings: events, none, a failed one, a truncated one, and odd lengths."""
    return [
        made(tmp_path / "season", name, status=status, n_events=n_events, seed=seed)
        for seed, (name, status, n_events) in enumerate(
            zip(NAMES, (OK, OK, OK, FAILED, TRUNCATED, OK), (3, 2, 0, 0, 4, 1), strict=True)
        )
    ]


def made(folder, name, *, status=OK, n_events=2, seed=0):
    rng = np.random.default_rng(seed)
    starts_s = np.sort(rng.uniform(0, 170, n_events))
    scores = rng.uniform(0.5, 1, n_events).tolist()
    events = tuple(
        Event(
            str(rng.choice(LABELS)), start_s, start_s + rng.uniform(0.1, 9), start_s + 0.05, score
        )
        for start_s, score in zip(starts_s.tolist(), scores, strict=True)
    )
    scanned_s = 0.0 if status == FAILED else 180 + float(rng.uniform(0, 1))
    path = str(folder / name)
    return FileResult(Recording(path, name), status, "", 190.0, scanned_s, events)


def truth(results):
    """Path, label, start and end of every event, in order."""
    return [
        (result.recording.path, event.label, event.start_s, event.end_s)
        for result in results
        for event in result.events
    ]


def parquet(folder):
    found = pd.read_parquet(folder / "events.parquet")
    return zip(found.recording, found.label, found.start_s, found.end_s, strict=True)


def jsonl(folder):
    """One object a line; no event is a file without a line, in which pandas finds no columns."""
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    for event in map(json.loads, lines):
        yield event["recording"], event["label"], event["start_s"], event["end_s"]


def raven(folder):
    found = pd.read_csv(folder / "events.raven.txt", sep="\t")
    start_s = found["File Offset (s)"]
    end_s = start_s + found["End Time (s)"] - found["Begin Time (s)"]
    return zip(found["Begin Path"], found["Annotation"], start_s, end_s, strict=True)


def audacity(folder):
    """A parser of labels as the Audacity manual tells them: start, end, text, parted by tabs."""
    base = folder / "audacity"
    for file in sorted(base.rglob("*.txt")):
        recording = unquote(file.relative_to(base).as_posix().removesuffix(".txt"))
        for line in file.read_text(encoding="utf-8").splitlines():
            start_s, end_s, text = line.split("\t")
            yield recording, text, float(start_s), float(end_s)


def kaleidoscope(folder):
    found = pd.read_csv(folder / "events.kaleidoscope.csv", keep_default_na=False)
    paths = found.INDIR + "/" + found.FOLDER + "/" + found["IN FILE"].str.removeprefix("'")
    ends_s = found.OFFSET + found.DURATION
    return zip(paths.str.replace("//", "/"), found.TOP1MATCH, found.OFFSET, ends_s, strict=True)


def birdnet(folder):
    found = pd.read_csv(folder / "events.birdnet.csv")
    assert (found["Common name"] == found["Scientific name"]).all()
    columns = ("File", "Common name", "Start (s)", "End (s)")
    return zip(*(found[column] for column in columns), strict=True)


READERS = {
    "parquet": parquet,
    "jsonl": jsonl,
    "raven": raven,
    "audacity": audacity,
    "kaleidoscope": kaleidoscope,
    "birdnet": birdnet,
}


def need(name):
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="pip install 'callcount[parquet]'")


def agree(found, wanted):
    """Whether two lists of (recording, label, start, end) are the same to the millisecond."""
    found, wanted = sorted(map(tuple, found)), sorted(wanted)
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    times_s = np.array([one[2:] for one in found])
    assert np.abs(times_s - np.array([one[2:] for one in wanted])).max() <= NEAR_S


def test_every_format_that_can_be_asked_for_has_a_writer():
    assert set(FORMATS) == set(OTHERS) == set(READERS)


def test_times_of_short_events_are_told_to_the_microsecond():
    events = (
        Event("tone", 1.2345678, 1.2391234, 1.236, 0.9),
        Event("tone", 2.2345678, 2.5, 2.3, 0.8),
    )
    result = FileResult(Recording("a.wav", "a.wav"), OK, "", 9.0, 9.0, events)
    short, long = ScanEvents([result], {"tone": (200.0, 3000.0)})
    assert [short.text(name) for name in ("start_s", "end_s", "peak_s")] == [
        "1.234568",
        "1.239123",
        "1.236000",
    ]
    assert [long.text(name) for name in ("start_s", "end_s")] == ["2.235", "2.500"]
    assert (short.end_s, long.start_s) == (1.239123, 2.235)


@pytest.mark.parametrize("name", OTHERS)
def test_every_event_is_read_back(results, tmp_path, name):
    need(name)
    FORMATS[name].write(tmp_path, ScanEvents(results, BANDS))
    by_path = {result.recording.name: result.recording.path for result in results}
    found = [(by_path.get(one[0], one[0]), *one[1:]) for one in READERS[name](tmp_path)]
    agree(found, truth(results))


@pytest.mark.parametrize("name", OTHERS)
def test_no_event_is_a_file_that_can_be_read(tmp_path, name):
    need(name)
    FORMATS[name].write(tmp_path, ScanEvents([made(tmp_path, "a.wav", n_events=0)], BANDS))
    assert (tmp_path / FORMATS[name].path).exists()
    assert list(READERS[name](tmp_path)) == []


def test_raven_counts_begin_time_through_all_recordings(results, tmp_path):
    FORMATS["raven"].write(tmp_path, ScanEvents(results, BANDS))
    found = pd.read_csv(tmp_path / "events.raven.txt", sep="\t")
    starts_s = np.cumsum([0.0, *(one.scanned_s for one in results[:-1])])
    before_s = dict(zip(NAMES, starts_s, strict=True))
    begins_s = found["Callcount Recording"].str.removeprefix("'").map(before_s)
    assert found["Begin Time (s)"].to_numpy() == pytest.approx(
        (begins_s + found["File Offset (s)"]).to_numpy(), abs=NEAR_S
    )
    assert found["Selection"].tolist() == list(range(1, len(found) + 1))
    assert (found["View"] == "Spectrogram 1").all()
    assert (found["Channel"] == 1).all()


def test_crowsetta_reads_raven_tables_and_audacity_labels(tmp_path):
    crowsetta = pytest.importorskip("crowsetta", reason="pip install 'callcount[test]'")
    result = made(tmp_path, "a.wav", n_events=5, seed=7)
    for name in ("raven", "audacity"):
        FORMATS[name].write(tmp_path, ScanEvents([result], BANDS))
    wanted = [(event.label, event.start_s, event.end_s) for event in result.events]
    boxes = crowsetta.formats.bbox.Raven.from_file(tmp_path / "events.raven.txt").to_bbox()
    assert [(box.label, (box.low_freq, box.high_freq)) for box in boxes] == [
        (label, BANDS[label]) for label, _, _ in wanted
    ]
    labels = crowsetta.formats.seq.AudSeq.from_file(tmp_path / "audacity" / "a.wav.txt").to_seq()
    assert labels.labels.tolist() == [label for label, _, _ in wanted]
    for starts_s, ends_s in (
        ([box.onset for box in boxes], [box.offset for box in boxes]),
        (labels.onsets_s, labels.offsets_s),
    ):
        assert starts_s == pytest.approx([start_s for _, start_s, _ in wanted], abs=NEAR_S)
        assert ends_s == pytest.approx([end_s for _, _, end_s in wanted], abs=NEAR_S)


@pytest.mark.parametrize("table", ["events.csv", "events.raven.txt", "audacity"])
def test_callcount_reads_what_it_wrote_and_knows_every_recording(results, tmp_path, table):
    write_tables(tmp_path.with_suffix(".csv"), results, list(BANDS), BANDS)
    for name in ("raven", "audacity"):
        FORMATS[name].write(tmp_path, ScanEvents(results, BANDS))
    matched = match_recordings(read_annotations(tmp_path / table), NAMES)
    found = [
        (name, call.label, call.start_s, call.end_s)
        for name, calls_of_it in matched.by_recording.items()
        for call in calls_of_it
    ]
    by_path = {result.recording.path: result.recording.name for result in results}
    agree(found, [(by_path[path], *rest) for path, *rest in truth(results)])


def test_parquet_and_json_hold_what_the_csv_holds(results, tmp_path):
    need("parquet")
    calibrations = {
        "wren": Calibration(method="isotonic", scores=(0.0, 1.0), probabilities=(0.1, 0.9))
    }
    write_tables(tmp_path.with_suffix(".csv"), results, list(BANDS), BANDS, calibrations)
    for name in ("parquet", "jsonl"):
        FORMATS[name].write(tmp_path, ScanEvents(results, BANDS, calibrations))
    table = pd.read_csv(tmp_path / "events.csv").replace({"'=": "="}, regex=True)
    packed = pd.read_parquet(tmp_path / "events.parquet")
    assert list(packed.columns) == list(table.columns)
    assert packed.dtypes["event"] == np.int32
    assert packed["probability"].isna().equals(packed["label"] != "wren")
    for column in ("start_s", "end_s", "peak_s", "score", "probability", "low_hz", "event"):
        np.testing.assert_array_equal(packed[column], table[column])
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(
        packed.astype(object).where(packed.notna(), None).to_json(orient="records")
    )


def test_parquet_holds_the_times_of_recordings_whose_start_is_known(tmp_path):
    need("parquet")
    starts = (datetime(2024, 5, 1, 5, tzinfo=timezone(timedelta(hours=-4))), None)
    results = [
        replace(made(tmp_path, f"{number}.wav", seed=number), origin=Origin(start, site="Ridge"))
        for number, start in enumerate(starts)
    ]
    write_tables(tmp_path.with_suffix(".csv"), results, list(BANDS), BANDS)
    FORMATS["parquet"].write(tmp_path, ScanEvents(results, BANDS))
    table = pd.read_csv(tmp_path / "events.csv", keep_default_na=False)
    packed = pd.read_parquet(tmp_path / "events.parquet")
    for column in ("start_time", "start_utc", "start_local", "site"):
        assert packed[column].fillna("").tolist() == table[column].tolist()
    assert packed["start_utc"].notna().tolist() == [True, True, False, False]
    assert (packed["start_utc"].str[:13].dropna() == "2024-05-01 09").all()


@pytest.mark.parametrize("name", ["csv", *OTHERS])
def test_results_are_not_held_while_they_are_written(tmp_path, name):
    need(name)
    alive, most = weakref.WeakSet(), [0]

    class Season:
        def __iter__(self):
            for number in range(300):
                result = made(tmp_path, f"{number}.wav", seed=number)
                alive.add(result)
                most[0] = max(most[0], len(alive))
                yield result
                del result

    if name == "csv":
        write_tables(tmp_path.with_suffix(".csv"), Season(), list(BANDS), BANDS)
    else:
        FORMATS[name].write(tmp_path, ScanEvents(Season(), BANDS))
    assert most[0] <= 3


NAME = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60)
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=3).map("/".join), unique=True, max_size=8)


@given(names=PATHS)
def test_label_files_stay_where_they_belong_and_say_whose_they_are(names):
    file_of = label_namer(names)
    files = {name: file_of(name) for name in names}
    assert len({file.casefold() for file in files.values()}) == len(names)
    for name, file in files.items():
        parts = PurePosixPath(file).parts
        assert len(parts) == len(name.split("/"))
        assert not {"..", ".", "/"} & set(parts)
        assert not any(set(part) & set('\\:*?"<>|\t\n') for part in parts)
        assert all(len(part.encode()) < 250 and part[-1] not in ". " for part in parts)
        if len(name.encode()) < 60:
            assert unquote(file.removesuffix(".txt")) == name


@pytest.mark.parametrize("name", ["../../out.wav", "a/../../../out.wav", "/etc/out.wav", "..", "~"])
def test_a_name_never_leads_out_of_the_folder(tmp_path, name):
    folder = tmp_path / "results"
    folder.mkdir()
    result = made(tmp_path, "a.wav")
    result = FileResult(Recording("a.wav", name), OK, events=result.events, scanned_s=180.0)
    FORMATS["audacity"].write(folder, ScanEvents([result], BANDS))
    (clip,) = clip_names(list(ScanEvents([result], BANDS))[:1])
    assert len(PurePosixPath(clip).parts) == 2
    assert ".." not in clip.split("/")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


RATE_HZ = 16000
MARGIN_S = 0.5


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """Two recordings of noise in two folders, and one event a second; scores all differ."""
    folder = tmp_path_factory.mktemp("heard")
    rng = np.random.default_rng(3)
    found = []
    for number, name in enumerate(("a.wav", "site 1/a.wav")):
        (folder / name).parent.mkdir(exist_ok=True)
        write(folder / name, rng.uniform(-0.5, 0.5, 20 * RATE_HZ), RATE_HZ, subtype="PCM_16")
        events = tuple(
            Event(LABELS[n % 2], float(n), n + 0.75, n + 0.3, (20 * number + n + 1) / 50)
            for n in range(20)
        )
        found.append(FileResult(Recording(str(folder / name), name), OK, "", 20.0, 20.0, events))
    return ScanEvents(found, BANDS)


def test_the_clips_of_highest_score_are_cut_with_a_margin(heard, tmp_path):
    rows = choose_clips(heard, LABELS, 3, by=BY_SCORE, seed=0)
    assert write_clips(tmp_path, rows, MARGIN_S) == []
    table = pd.read_csv(tmp_path / "clips" / "clips.csv")
    assert table.label.tolist() == ["wren"] * 3 + ["screaming piha"] * 3
    assert table.event.tolist() == [19, 17, 15, 20, 18, 16]
    assert (table.recording == "site 1/a.wav").all()
    files = {path.relative_to(tmp_path / "clips").as_posix() for path in tmp_path.rglob("*.flac")}
    assert files == set(table["clip"])
    source, _ = sf.read(heard.results[1].recording.path)
    for row in table.itertuples():
        clip, rate_hz = sf.read(tmp_path / "clips" / row.clip)
        assert rate_hz == RATE_HZ
        assert row.clip_start_s == pytest.approx(max(0, row.start_s - MARGIN_S), abs=NEAR_S)
        assert row.clip_end_s == pytest.approx(min(20, row.end_s + MARGIN_S), abs=NEAR_S)
        first, last = round(row.clip_start_s * RATE_HZ), round(row.clip_end_s * RATE_HZ)
        np.testing.assert_array_equal(clip, source[first:last])


def test_clips_by_chance_are_drawn_by_the_seed_alone(heard):
    def drawn(events, seed, n_each=5):
        rows = choose_clips(events, LABELS, n_each, by=BY_CHANCE, seed=seed)
        return [(row.recording, row.event) for row in rows]

    turned = ScanEvents(heard.results[::-1], BANDS)
    assert drawn(heard, 1) == drawn(turned, 1)
    assert drawn(heard, 1) != drawn(heard, 2)
    assert drawn(heard, 1, n_each=3) == [*drawn(heard, 1)[:3], *drawn(heard, 1)[5:8]]
    counts = pd.Series([one for seed in range(400) for one in drawn(heard, seed)]).value_counts()
    # 40 events, 10 drawn of them 400 times: 100 each, give or take 4.5 deviations
    assert len(counts) == 40
    assert counts.between(61, 139).all()


def test_more_clips_than_events_are_all_events(heard, tmp_path):
    rows = choose_clips(heard, LABELS, 1000, by=BY_SCORE, seed=0)
    assert len(rows) == 40
    assert write_clips(tmp_path, rows, 0.0) == []
    assert len(list(tmp_path.rglob("*.flac"))) == 40


def test_no_event_is_a_table_without_clips(tmp_path):
    assert write_clips(tmp_path, (), 1.0) == []
    assert rows_of(tmp_path / "clips" / "clips.csv") == []


def test_a_recording_that_is_gone_costs_its_own_clips(heard, tmp_path):
    one, other = heard.results
    gone = FileResult(Recording("gone.wav", "gone.wav"), OK, "", 20.0, 20.0, one.events)
    short = FileResult(one.recording, OK, "", 90.0, 90.0, (Event("wren", 80.0, 81.0, 80.5, 0.9),))
    events = ScanEvents([gone, short, other], BANDS)
    rows = choose_clips(events, LABELS, 1000, by=BY_SCORE, seed=0)
    problems = write_clips(tmp_path, rows, 1.0)
    assert len(problems) == 2
    assert any("gone.wav" in problem for problem in problems)
    assert any("ends before 80.0 s" in problem for problem in problems)
    assert {row["recording"] for row in rows_of(tmp_path / "clips" / "clips.csv")} == {
        "site 1/a.wav"
    }


@pytest.fixture
def season(tmp_path, monkeypatch, tone_bundle):
    """Three recordings in two folders with three calls in all, and the command that scans them."""
    monkeypatch.chdir(tmp_path)
    for number, (name, starts_s) in enumerate(
        {"a.wav": (2.0, 5.0), "sub/a.wav": (2.0,), "sub/none.wav": ()}.items()
    ):
        file = tmp_path / "season" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, calls(9.0, starts_s, seed=number), MODEL_RATE_HZ, subtype="PCM_16")

    def scan(*flags):
        model = ["--model", str(tone_bundle.path), "--no-plots"]
        return run(["scan", "season", *model, *map(str, flags)])

    return scan


def every_format(but=()):
    return [flag for name in FORMAT_NAMES if name not in but for flag in ("--format", name)]


def exported(folder):
    """What is in the folder of a scan besides its tables."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {
        name
        for name in files
        if name.startswith(("audacity/", "clips/")) or name.split(".", 1)[0] == "events"
    }


def test_a_scan_writes_all_that_it_is_asked_for(season, tmp_path, capsys):
    need("parquet")
    assert season(*every_format(), "--clips", 2, "--clips-margin", 0.25) == 0
    said = capsys.readouterr()
    assert "events.parquet" in said.err
    assert "clips" in said.err
    folder = tmp_path / "results"
    assert exported(folder) == {
        "events.csv",
        "events.parquet",
        "events.jsonl",
        "events.raven.txt",
        "events.kaleidoscope.csv",
        "events.birdnet.csv",
        "audacity/a.wav.txt",
        "audacity/sub/a.wav.txt",
        "audacity/sub/none.wav.txt",
        "clips/clips.csv",
        *(f"clips/{row['clip']}" for row in rows_of(folder / "clips" / "clips.csv")),
    }
    wanted = [
        (row["recording"], row["label"], float(row["start_s"]), float(row["end_s"]))
        for row in rows_of(folder / "events.csv")
    ]
    assert len(wanted) == 3
    for reader in READERS.values():
        found = [(name.partition("season/")[2] or name, *rest) for name, *rest in reader(folder)]
        agree(found, wanted)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["formats"] == list(FORMAT_NAMES)
    assert manifest["settings"]["clips"] == 2


def test_only_the_csv_is_written_where_nothing_is_asked_for(season, tmp_path, capsys):
    assert season() == 0
    assert exported(tmp_path / "results") == {"events.csv"}
    assert "Also in" not in capsys.readouterr().err


def test_a_config_asks_for_formats_too_and_flags_win(season, tmp_path):
    config = tmp_path / "scan.yaml"
    config.write_text(yaml.safe_dump({"formats": "raven", "clips": 1, "clips_by": "random"}))
    assert season("--config", config) == 0
    assert {"events.raven.txt", "clips/clips.csv"} < exported(tmp_path / "results")
    assert season("--config", config, "--format", "jsonl", "--clips", 0) == 0
    assert exported(tmp_path / "results") == {"events.csv", "events.jsonl"}


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--format", "excel"), "excel"),
        (("--clips", "-1"), "clips"),
        (("--clips-by", "taste"), "taste"),
        (("--config", "scan.yaml"), "excel"),
    ],
)
def test_wrong_flags_are_one_line_and_leave_nothing(season, tmp_path, capsys, flags, says):
    (tmp_path / "scan.yaml").write_text("formats: [excel]")
    assert season(*flags) == 2
    assert says in refusal(capsys)
    assert not (tmp_path / "results.csv").exists()


def test_what_an_earlier_scan_exported_is_gone_and_the_rest_stays(season, tmp_path):
    folder = tmp_path / "results"
    assert season(*every_format(but=["parquet"]), "--clips", 3) == 0
    first = exported(folder)
    clip = next(folder.rglob("*-1.flac"))
    kept = {
        # a clip under a name of the user's own, labels that Audacity saved, notes beside both
        clip.with_name("the best.flac"): clip.read_bytes(),
        folder / "audacity/sub/a.wav.txt": b"2.000000\t3.500000\ttone\n",
        folder / "audacity/a.wav.aup3": b"project",
        folder / "clips/notes.txt": b"1.000\t2.000\tnot ours to touch\n",
    }
    for path, content in kept.items():
        path.write_bytes(content)
    assert season() == 0
    left = exported(folder)
    assert left == {"events.csv", *(path.relative_to(folder).as_posix() for path in kept)}
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(first) > len(left)


def test_a_second_scan_replaces_the_files_of_the_first(season, tmp_path):
    flags = (*every_format(but=["parquet"]), "--clips", 3)
    assert season(*flags) == 0
    first = exported(tmp_path / "results")
    assert season(*flags) == 0
    assert exported(tmp_path / "results") == first


@pytest.mark.parametrize(
    ("flags", "file", "content"),
    [
        (("--format", "jsonl"), "events.jsonl", b'{"mine": 1}\n'),
        (("--format", "jsonl"), "events.jsonl", b"[1]\n"),
        (("--format", "jsonl"), "events.jsonl/x", b"a folder"),
        (("--format", "raven"), "events.raven.txt", b"Selection\tView\tNotes\n1\tx\tgood\n"),
        (("--format", "kaleidoscope"), "events.kaleidoscope.csv", b"INDIR,FOLDER\n"),
        (("--format", "birdnet"), "events.birdnet.csv", b"\xff\x00"),
        (("--format", "audacity"), "audacity", b"a file"),
        (("--format", "audacity"), "audacity/sub", b"a file"),
        (("--format", "audacity"), "audacity/a.wav.txt", b"2.000000\t3.500000\ttone\n"),
        (("--format", "audacity"), "audacity/sub/none.wav.txt", b"\xff"),
        (("--clips", 1), "clips", b"a file"),
        (("--clips", 1), "clips/clips.csv", b"clip,mine\n"),
        (("--clips", 1), "clips/tone/a-1.flac", b"fLaC of somebody else"),
        (("--format", "parquet"), "events.parquet", b"PAR1 of somebody else \x04\0\0\0PAR1"),
        (("--format", "parquet"), "events.parquet", b"PAR1"),
    ],
)
def test_what_others_made_is_found_in_the_way_before_the_work(
    season, tmp_path, capsys, flags, file, content
):
    need(flags[1])
    path = tmp_path / "results" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert season(*flags) == 2
    assert f"results/{file.removesuffix('/x')} exists" in refusal(capsys)
    assert path.read_bytes() == content
    assert not (tmp_path / "results.csv").exists()


def test_without_pyarrow_the_way_to_get_it_is_said_before_the_work(
    season, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert season("--format", "parquet") == 2
    assert "pip install 'callcount[parquet]'" in refusal(capsys)
    assert not (tmp_path / "results.csv").exists()
    assert season("--format", "jsonl") == 0


def test_parquet_of_an_earlier_scan_is_known_by_its_footer(season, tmp_path):
    need("parquet")
    for flags in (("--format", "parquet"), ("--format", "parquet"), ()):
        assert season(*flags) == 0
        assert (tmp_path / "results" / "events.parquet").exists() == bool(flags)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "results" / "events.parquet")
    assert season() == 0
    assert (tmp_path / "results" / "events.parquet").exists()
    assert season("--format", "parquet") == 2
