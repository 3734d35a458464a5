"""Effort and the sums of a season: dead stretches, sites, days, hours, minutes, pictures."""

import shutil
import tracemalloc
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from bundles import MODEL_RATE_HZ, calls
from hypothesis import given
from hypothesis import strategies as st
from outcomes import rows_of
from recorder_files import write_wav
from written_tables import write_tables

from counter.audio.channels import LEAST_DEAD_S, DeadAir
from counter.audio.stream import MonoStream
from counter.cli.main import run
from counter.plots.season_plot import draw_season
from counter.records import FAILED, OK, Event, FileResult, Origin, Recording
from counter.tables.season import LEAST_MINUTE_S, Season
from counter.timestamps import later

PARIS = ZoneInfo("Europe/Paris")
UTC = timezone.utc
LABELS = ("frog", "toad")


def recording(start, length_s, starts_s=(), dead_s=(), *, site="A", device="", label="frog"):
    events = tuple(Event(label, at, at + 1, at, 0.9) for at in starts_s)
    origin = Origin(start, site, device)
    name = Recording("x", "x")
    return FileResult(name, OK, "", length_s, length_s, events, origin=origin, dead_s=tuple(dead_s))


def tables(tmp_path, results, labels=LABELS[:1]):
    paths = write_tables(tmp_path / "r.csv", results, labels, dict.fromkeys(labels, (0.0, 1.0)))
    return {of: rows_of(paths.summary(of)) for of in ("site", "day", "hour")}


def total(rows, column):
    return sum(float(row[column]) for row in rows)


def runs(n_least):
    """Sound as lengths of runs; a run of one value, the next of another."""
    return st.lists(st.integers(1, 3 * n_least), min_size=1, max_size=8)


class TestDeadAir:
    RATE_HZ = 50

    def found(self, sound, cuts=()):
        finder = DeadAir(self.RATE_HZ)
        for part in np.split(sound, sorted(cuts)):
            finder.push(part)
        return finder.stretches_s()

    def expected(self, sound):
        edges = np.flatnonzero(np.diff(sound, prepend=np.nan, append=np.nan))
        pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        least = LEAST_DEAD_S * self.RATE_HZ
        return tuple((a / self.RATE_HZ, b / self.RATE_HZ) for a, b in pairs if b - a >= least)

    @given(runs(50), st.lists(st.integers(0, 1200), max_size=6), st.integers(0, 99))
    def test_stretches_are_exact_however_the_sound_is_cut(self, lengths, cuts, seed):
        rng = np.random.default_rng(seed)
        parts = [
            np.full(n, value) if rng.random() < 0.5 else rng.uniform(1, 2, n)
            for n, value in zip(lengths, rng.integers(0, 2, len(lengths)), strict=True)
        ]
        sound = np.concatenate(parts).astype(np.float32)
        inside = [cut for cut in cuts if cut < len(sound)]
        assert self.found(sound, inside) == self.expected(sound)

    def test_no_sound_and_living_sound_have_none(self):
        assert DeadAir(8000).stretches_s() == ()
        quiet = np.random.default_rng(0).integers(-1, 2, 80_000).astype(np.float32) / 32768
        assert self.found(quiet) == ()

    @pytest.mark.parametrize("kind", ["PCM_16", "FLOAT"])
    @pytest.mark.parametrize("value", [0.0, 0.25])
    def test_a_file_tells_its_dead_stretches(self, tmp_path, kind, value):
        import soundfile as sf

        sound = np.random.default_rng(0).uniform(-0.5, 0.5, (30 * 16000, 2))
        sound[5 * 16000 : 12 * 16000] = value
        sound[20 * 16000 :, 0] = value  # one channel that lives is enough
        sf.write(tmp_path / "a.wav", sound, 16000, subtype=kind)
        for block_s in (0.5, 10.0):
            with MonoStream(tmp_path / "a.wav", 8000, block_s=block_s) as stream:
                list(stream)
            assert stream.dead_s == ((5.0, 12.0),)


@st.composite
def seasons(draw):
    """Recordings of some sites one after another, some with dead stretches and calls."""
    zone = draw(st.sampled_from([None, UTC, PARIS, ZoneInfo("Australia/Lord_Howe")]))
    day = draw(st.sampled_from([(2021, 3, 27), (2021, 10, 30), (2021, 4, 3), (2021, 7, 1)]))
    results = []
    for site in draw(st.sampled_from([("A",), ("A", "B")])):
        at_s = draw(st.floats(0, 30 * 3600))
        for _ in range(draw(st.integers(1, 4))):
            length_s = draw(st.floats(0.5, 5000))
            cuts = sorted(draw(st.lists(st.floats(0, length_s), max_size=4)))
            dead = tuple(zip(cuts[::2], cuts[1::2], strict=False))
            starts = sorted(draw(st.lists(st.floats(0, length_s * 0.999), max_size=5)))
            label = draw(st.sampled_from(LABELS))
            start = later(datetime(*day, tzinfo=zone), at_s)
            found = recording(start, length_s, starts, dead, site=site, label=label)
            results.append(found)
            at_s += length_s + draw(st.floats(0, 4000))
    return results


def split(result, at_s):
    """The same recording as two files."""
    start = result.origin.start
    halves = []
    for low, high in ((0.0, at_s), (at_s, result.scanned_s)):
        events = [one.start_s - low for one in result.events if low <= one.start_s < high]
        dead = [
            (max(a, low) - low, min(b, high) - low)
            for a, b in result.dead_s
            if min(b, high) > max(a, low)
        ]
        label = result.events[0].label if result.events else LABELS[0]
        begin = later(start, low)
        halves.append(
            recording(begin, high - low, events, dead, site=result.origin.site, label=label)
        )
    return halves


class TestSums:
    @given(seasons())
    def test_hours_days_sites_and_recordings_have_one_sum(self, results):
        cells = Season.of(results, LABELS).cells()
        effort_s = sum(tally.effort_s for tally in cells.values())
        assert effort_s == pytest.approx(sum(one.effort_s for one in results), abs=1e-4)
        for place, label in enumerate(LABELS):
            n_calls = sum(tally.calls[place] for tally in cells.values())
            assert n_calls == sum(one.calls(label) for one in results)
        for tally in cells.values():
            assert tally.n_minutes >= max(tally.minutes_with)
            assert sum(tally.calls) >= sum(tally.minutes_with)

    @given(seasons())
    def test_each_hour_holds_what_a_clock_on_the_wall_would_give_it(self, results):
        cells = Season.of(results, LABELS).cells()
        wanted: Counter = Counter()
        for one in results:
            for event in one.events:
                wall = later(one.origin.start, event.start_s)
                # microseconds are cut off
                wanted[(one.origin.site, wall.date(), wall.hour)] += 1
        found = {cell: sum(tally.calls) for cell, tally in cells.items() if sum(tally.calls)}
        assert found == dict(wanted)

    @given(seasons(), st.integers(0, 3), st.integers(1, 99), st.booleans())
    def test_two_files_for_one_change_nothing_but_their_number(
        self, results, which, share, reverse
    ):
        whole = results[which % len(results)]
        cut_s = round(whole.scanned_s * share) / 100
        if not 0 < cut_s < whole.scanned_s:
            return
        others = [one for one in results if one is not whole]
        parts = [*others, *split(whole, cut_s)]
        one, two = (
            Season.of(found, LABELS).cells()
            for found in ([*others, whole], parts[::-1] if reverse else parts)
        )
        assert set(one) == set(two)
        for cell, tally in one.items():
            assert two[cell].calls == tally.calls
            assert two[cell].effort_us == pytest.approx(tally.effort_us, abs=20)

    @given(seasons())
    def test_order_does_not_matter(self, results):
        one, two = (Season.of(found, LABELS).cells() for found in (results, results[::-1]))
        assert one == two

    def test_a_minute_of_two_files_is_one_minute(self):
        start = datetime(2021, 6, 1, 5, 0, 0, tzinfo=UTC)
        whole = recording(start, 600.0, (10.0, 50.0, 70.0, 300.0))
        for cut_s in (25.0, 30.0, 45.5, 90.0):
            for parts in (split(whole, cut_s), split(whole, cut_s)[::-1]):
                assert Season.of(parts, LABELS).cells() == Season.of([whole], LABELS).cells()

    def test_two_recorders_at_a_site_have_minutes_of_their_own(self):
        start = datetime(2021, 6, 1, 5, 0, 20, tzinfo=UTC)
        pair = [recording(start, 40.0, (1.0, 5.0), device=name) for name in ("x", "y")]
        (tally,) = Season.of(pair, LABELS).cells().values()
        assert (tally.n_minutes, tally.minutes_with[0], tally.most[0]) == (2, 2, 2)

    @pytest.mark.parametrize(("length_s", "n_minutes"), [(29.9, 0), (30.0, 1), (89.0, 1), (90, 2)])
    @pytest.mark.parametrize("start", [None, datetime(2021, 6, 1, 5)])
    def test_a_minute_counts_from_half_of_it_on(self, start, length_s, n_minutes):
        assert LEAST_MINUTE_S == 30
        cells = Season.of([recording(start, length_s, (1.0,))], LABELS).cells()
        (tally,) = cells.values()
        assert tally.n_minutes == n_minutes
        assert tally.minutes_with[0] == min(1, n_minutes)
        assert tally.most[0] == 1

    def test_midnight_and_hours_part_the_effort_and_a_call_counts_where_it_starts(self, tmp_path):
        start = datetime(2021, 6, 1, 22, 59, 30, tzinfo=PARIS)
        found = tables(tmp_path, [recording(start, 3700.0, (29.5, 3629.5, 3630.0))])
        hours = {row["hour"]: (row["effort_s"], row["calls"]) for row in found["hour"]}
        assert hours == {"0": ("70.000", "1"), "22": ("30.000", "1"), "23": ("3600.000", "1")}
        days = {row["day"]: (row["effort_s"], row["calls"]) for row in found["day"]}
        assert days == {"2021-06-01": ("3630.000", "2"), "2021-06-02": ("70.000", "1")}

    @pytest.mark.parametrize(
        ("zone", "start", "wanted"),
        [
            (PARIS, (2021, 10, 31), {1: 1, 2: 2, 3: 1}),
            (PARIS, (2021, 3, 28), {1: 1, 2: 0, 3: 1}),
            # Half an hour is put back at two: 1:30 to 2:00 comes twice.
            (ZoneInfo("Australia/Lord_Howe"), (2021, 4, 4), {0: 1, 1: 1.5, 2: 1}),
            (timezone(timedelta(hours=5, minutes=30)), (2021, 6, 1), {0: 1, 1: 1, 2: 1}),
            (None, (2021, 3, 28), {1: 1, 2: 1, 3: 1}),
        ],
    )
    def test_changes_of_the_clock(self, zone, start, wanted):
        cells = Season.of([recording(datetime(*start, tzinfo=zone), 6 * 3600.0)], LABELS).cells()
        found = {cell[2]: tally.effort_s / 3600 for cell, tally in cells.items()}
        assert {hour: found.get(hour, 0) for hour in wanted} == wanted
        assert sum(found.values()) == 6

    def test_dead_stretches_are_no_effort(self, tmp_path):
        start = datetime(2021, 6, 1, 5, 59, tzinfo=UTC)
        found = tables(tmp_path, [recording(start, 180.0, (5.0,), [(30.0, 150.0)])])
        assert {row["hour"]: row["effort_s"] for row in found["hour"]} == {
            "5": "30.000",
            "6": "30.000",
        }
        (row,) = found["site"]
        assert (row["effort_s"], row["calls_per_hour"], row["minutes"]) == ("60.000", "60.000", "2")
        assert (row["minutes_with_calls"], row["detection_rate"]) == ("1", "0.5000")

    def test_recordings_without_a_start_stand_in_rows_without_a_day(self, tmp_path):
        known = recording(datetime(2021, 6, 1, 5), 60.0, (1.0,))
        found = tables(tmp_path, [known, recording(None, 90.0, (61.0,)), recording(None, 30.0)])
        for of in ("day", "hour"):
            assert total(found[of], "effort_s") == 180
            assert [row[of] for row in found[of]] == [("2021-06-01" if of == "day" else "5"), ""]
        assert found["site"][0]["minutes"] == "4"

    def test_each_label_has_its_rows(self, tmp_path):
        start = datetime(2021, 6, 1, 5)
        results = [
            recording(start, 60.0, (1.0, 2.0)),
            recording(later(start, 60), 60.0, (3.0,), label="toad"),
        ]
        found = tables(tmp_path, results, LABELS)["site"]
        told = [(row["label"], row["calls"], row["minutes_with_calls"]) for row in found]
        assert told == [("frog", "2", "1"), ("toad", "1", "1")]
        assert {row["effort_s"] for row in found} == {"120.000"}

    def test_nothing_gives_headers_and_what_failed_its_site_alone(self, tmp_path):
        failed = FileResult(Recording("x", "x"), FAILED, "gone", origin=Origin(None, "A"))
        found = tables(tmp_path, [failed])
        assert found["day"] == found["hour"] == []
        (row,) = found["site"]
        told = [row[key] for key in ("site", "recordings", "effort_s", "calls", "calls_per_hour")]
        assert told == ["A", "0", "0.000", "0", ""]

    @pytest.mark.parametrize("n_events", [1, 2000])
    def test_memory_grows_with_hours_not_with_events(self, n_events):
        start = datetime(2021, 6, 1, 5)
        season = Season(LABELS)
        tracemalloc.start()
        for _ in range(20):
            season.add(recording(start, 60.0, [0.5] * n_events))
        held_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held_bytes < 20_000
        (tally,) = season.cells().values()
        assert tally.calls[0] == 20 * n_events


class TestPictures:
    @pytest.mark.parametrize("n_days", [1, 9, 400, 3000])
    def test_both_are_drawn_of_any_span_and_number_of_sites(self, tmp_path, n_days):
        first = datetime(2021, 6, 1, 5)
        results = [
            recording(first + timedelta(days=day), 900.0, (1.0,), site=f"site {number}")
            for number in range(14)
            for day in (0, n_days - 1)
        ]
        names = draw_season(tmp_path, Season.of(results, LABELS))
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
        assert len(names) == 2

    def test_without_a_start_there_is_nothing_to_draw(self, tmp_path):
        assert draw_season(tmp_path, Season.of([recording(None, 60.0)], LABELS)) == ()
        assert list(tmp_path.iterdir()) == []

    def test_silence_is_drawn(self, tmp_path):
        results = [recording(datetime(2021, 6, 1, 5), 60.0)]
        assert len(draw_season(tmp_path, Season.of(results, LABELS))) == 2


@pytest.fixture
def season(tmp_path, monkeypatch):
    """A minute and a half of two sites, the last third of one dead."""
    monkeypatch.chdir(tmp_path)
    dead = calls(90.0, (5.0, 20.0))
    dead[60 * MODEL_RATE_HZ :] = 0
    for name, sound in {
        "A_20210601_045930.wav": calls(90.0, (5.0, 31.0, 70.0)),
        "B_20210601_045930.wav": dead,
    }.items():
        write_wav(tmp_path / "rec" / name, sound=sound, rate_hz=MODEL_RATE_HZ)
    return tmp_path


class TestScan:
    def test_effort_is_what_was_listened_to(self, season, tone_bundle):
        model = ["--model", str(tone_bundle.path)]
        assert run(["scan", "rec", "-o", "r.csv", *model]) == 0
        effort = {r["site"]: r["effort_s"] for r in rows_of(Path("r/recordings.csv"))}
        assert effort == {"A": "90.000", "B": "60.000"}
        counted = {r["recording"][0]: r for r in rows_of(Path("r.csv"))}
        assert counted["B"]["scanned_s"] == "90.000"
        assert counted["B"]["calls_per_hour"] == "120.000"
        assert counted["B"]["message"].startswith("30.0 s hold one constant value")
        assert counted["A"]["message"] == ""
        hours = {(r["site"], r["hour"]): r["effort_s"] for r in rows_of(Path("r/summary_hour.csv"))}
        assert hours == {
            ("A", "4"): "30.000",
            ("A", "5"): "60.000",
            ("B", "4"): "30.000",
            ("B", "5"): "30.000",
        }
        plots = {path.name for path in Path("r/plots").iterdir()}
        assert {"calls_by_day.png", "calls_by_hour.png"} <= plots

    def test_splitting_the_files_changes_no_summary(self, season, tone_bundle):
        model = ["--no-plots", "--model", str(tone_bundle.path)]
        assert run(["scan", "rec", "-o", "one.csv", *model]) == 0
        sound = calls(90.0, (5.0, 31.0, 70.0))
        shutil.copytree("rec", "parts")
        Path("parts/A_20210601_045930.wav").unlink()
        for start_s, end_s, name in ((0, 50, "045930"), (50, 90, "050020")):
            part = sound[start_s * MODEL_RATE_HZ : end_s * MODEL_RATE_HZ]
            path = Path(f"parts/A_20210601_{name}.wav")
            write_wav(path, sound=part, rate_hz=MODEL_RATE_HZ)
        assert run(["scan", "parts", "-o", "two.csv", *model]) == 0
        for of in ("site", "day", "hour"):
            one, two = (rows_of(Path(f"{name}/summary_{of}.csv")) for name in ("one", "two"))
            for row in (*one, *two):
                row.pop("recordings", None)
            assert one == two

    def test_recordings_named_as_the_pictures_have_their_own(self, season, tone_bundle):
        shutil.copy("rec/A_20210601_045930.wav", "rec/calls_by_day")
        arguments = ["rec/calls_by_day", "rec/A_20210601_045930.wav", "-o", "r.csv"]
        assert run(["scan", *arguments, "--model", str(tone_bundle.path)]) == 0
        assert len(list(Path("r/plots").glob("calls_by_day*.png"))) == 2
