"""The overview of ``callcount review``: its figures, its charts, and a recording tried."""

import json
import math
import shutil

import numpy as np
import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls

from counter.cli.main import run
from counter.cli.seasons import files_at
from counter.errors import CallcountError
from counter.output.reading import read_results
from counter.report.season import read_bands, read_places
from counter.report.tables import Cell, Heading, Table
from counter.review.material import Material

pytest.importorskip("streamlit", reason="streamlit is not installed")

SITES = {"Ridge": (-3.2511, -60.0423), "Valley": (-3.2602, -60.0375)}
STARTS_S = {"Ridge": ((1.0,), (1.0, 4.0)), "Valley": ((), (2.0, 5.0, 8.0))}


@pytest.fixture(scope="module")
def work(tmp_path_factory, tone_bundle):
    """A scan of two sites on two mornings, and a recording without any start."""
    folder = tmp_path_factory.mktemp("overview")
    bundle = shutil.copytree(tone_bundle.path, folder / "model")
    rows = ["folder,site,latitude,longitude"]
    for site, days in STARTS_S.items():
        rows.append(f"{site},{site},{SITES[site][0]},{SITES[site][1]}")
        for day, starts_s in enumerate(days, start=1):
            path = folder / "season" / site / f"2024050{day}_060000.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, calls(12.0, starts_s), MODEL_RATE_HZ, subtype="PCM_16")
    write(folder / "season" / "undated.wav", calls(12.0, (3.0,)), MODEL_RATE_HZ, subtype="PCM_16")
    (folder / "sites.csv").write_text("\n".join(rows), encoding="utf-8")
    flags = ["--sites", str(folder / "sites.csv"), "--model", str(bundle), "--no-plots"]
    assert run(["scan", str(folder / "season"), "-o", str(folder / "r.csv"), *flags]) == 0
    return folder


@pytest.fixture(scope="module")
def material(work):
    results = read_results(work / "r.csv")
    return Material(results, read_places(results), read_bands(results), files_at(results, None))


@pytest.fixture(scope="module")
def look(material):
    from counter.review.overview_data import look_at

    return look_at(material)


class TestSums:
    def test_the_figures_are_those_of_the_scan(self, look):
        told = {fact.name: fact.value for fact in look.facts}
        assert told["calls counted"] == "7"
        assert told["recordings"] == "5"
        assert told["sites"] == "2"

    def test_hours_hold_every_call_whose_time_is_known(self, look):
        hours = look.hours
        assert set(hours["hour"]) == {6}
        assert hours.groupby("site")["calls"].sum().to_dict() == {"Ridge": 3, "Valley": 3}
        assert hours.groupby("day")["calls"].sum().to_dict() == {"2024-05-01": 1, "2024-05-02": 5}
        assert hours["effort_h"].sum() * 3600 == pytest.approx(48, abs=0.1)

    def test_sites_stand_where_the_table_puts_them(self, look):
        found = look.sites.set_index("site")
        for site, (latitude, longitude) in SITES.items():
            row = found.loc[site]
            assert (row["latitude"], row["longitude"]) == (latitude, longitude)
            assert row["calls_per_hour"] == pytest.approx(3 / 24 * 3600, rel=0.01)

    def test_every_table_of_the_report_is_there(self, look):
        assert [table.name for table in look.tables] == [
            "recordings",
            "by-site",
            "by-day",
            "by-hour",
        ]

    def test_intervals_stand_where_an_estimate_was_made(self, work, material):
        from counter.review.overview_charts import corrected_counts
        from counter.review.overview_data import look_at

        folder = work / "sample"
        flags = ["-n", "12", "-o", str(folder), "--stretch", "3"]
        assert run(["sample", str(work / "r.csv"), *flags]) == 0
        table = folder / "sample.csv"
        lines = table.read_text(encoding="utf-8").splitlines()
        place = lines[0].split(",").index("true_calls")
        filled = [row.split(",") for row in lines[1:]]
        for row in filled:
            row[place] = "1"
        table.write_text("\n".join([lines[0], *map(",".join, filled)]) + "\n", encoding="utf-8")
        assert run(["estimate", str(work / "r.csv"), str(table)]) == 0
        try:
            look = look_at(material)
        finally:
            shutil.rmtree(folder)
        assert any("95 % interval" in fact.remark for fact in look.facts)
        drawn = [corrected_counts(one) for one in look.estimates]
        assert len(drawn) == 1


def test_numbers_of_a_table_are_numbers_and_intervals_are_text():
    from counter.review.overview_data import frame_of

    columns = [Heading("name", False), Heading("calls", True), Heading("hour", True)]
    columns.append(Heading("corrected", True))
    rows = [
        (Cell("01.wav"), Cell("1,234", 1234.0), Cell("5:00", 5.0), Cell("7 (5 to 9)", 7.0)),
        (Cell("<b>"), Cell("", -1.0), Cell("18:00", 18.0), Cell("", -1.0)),
    ]
    frame = frame_of(Table("t", "T", tuple(columns), tuple(rows)))
    assert frame["name"].tolist() == ["01.wav", "<b>"]
    assert frame["calls"].tolist()[0] == 1234
    assert frame["calls"].isna().tolist() == [False, True]
    assert frame["hour"].tolist() == [5, 18]
    assert frame["corrected"].tolist() == ["7 (5 to 9)", ""]


def test_a_day_and_an_hour_are_named_in_the_middle_of_their_columns(look):
    from counter.review.overview_charts import calls_by_day, heat_map, rate_by_hour

    inks = {"tone": "#000000"}
    for chart, axes in (
        (calls_by_day(look.hours, inks), "x"),
        (rate_by_hour(look.hours, inks), "x"),
        (heat_map(look.hours), "xy"),
    ):
        encoding = json.loads(chart.to_json())["encoding"]
        assert [encoding[axis]["axis"]["labelFlush"] for axis in axes] == [False] * len(axes)


class TestMap:
    def test_a_kilometre_is_one_both_ways_and_the_bar_is_as_long_as_it_says(self, look):
        from counter.review.overview_charts import site_map

        spec = json.loads(site_map(look.sites).to_json())
        assert spec["width"] == spec["height"]
        dots = spec["layer"][0]["encoding"]
        spans = [np.ptp(dots[axis]["scale"]["domain"]) for axis in ("x", "y")]
        narrowed = math.cos(math.radians(np.mean([place[0] for place in SITES.values()])))
        assert spans[0] * narrowed == pytest.approx(spans[1])
        [bar] = [row for rows in spec["datasets"].values() for row in rows if "length" in row]
        length_km = (bar["right"] - bar["left"]) * narrowed * 111.32
        number, unit = bar["length"].split()
        assert length_km * (1 if unit == "km" else 1000) == pytest.approx(float(number))

    def test_one_site_alone_has_a_map(self, look):
        from counter.review.overview_charts import site_map

        one = look.sites[look.sites["site"] == "Ridge"]
        domain = json.loads(site_map(one).to_json())["layer"][0]["encoding"]["x"]["scale"]["domain"]
        assert domain[0] < SITES["Ridge"][1] < domain[1]

    def test_nothing_is_fetched(self, look):
        from counter.review.overview_charts import site_map

        spec = json.loads(site_map(look.sites).to_json())
        del spec["$schema"]
        assert "http" not in json.dumps(spec)


class TestTrial:
    def test_a_recording_counts_as_the_scan_counts_it(self, work, material):
        from counter.review.overview_trial import try_recording

        path = work / "season" / "Valley" / "20240502_060000.wav"
        found = try_recording(material.results, "mine", path.read_bytes())
        names = [one.name for one in material.results.recordings]
        scanned = material.results.events_of(names.index("Valley/20240502_060000.wav"))
        heard = [one.start_s for one in found.result.events]
        assert heard == pytest.approx([one.start_s for one in scanned], abs=0.001)
        assert len(heard) == 3
        assert found.plot.startswith(b"\x89PNG")

    @pytest.mark.parametrize("sound", [b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVEfmt "])
    def test_what_is_no_sound_is_refused_in_a_line_that_names_no_folder(self, material, sound):
        from counter.review.overview_trial import try_recording

        with pytest.raises(CallcountError, match="cannot be read") as caught:
            try_recording(material.results, "../x", sound)
        assert "\n" not in str(caught.value)
        assert "/tmp" not in str(caught.value)

    def test_what_is_too_long_is_refused_before_it_is_scanned(self, material, tmp_path):
        from counter.review.overview_trial import MOST_S, try_recording

        long = np.zeros(int((MOST_S + 60) * 1000), np.int16)
        write(tmp_path / "long.wav", long, 1000, subtype="PCM_16")
        with pytest.raises(CallcountError, match="61 min long, more than 60 min"):
            try_recording(material.results, "long", (tmp_path / "long.wav").read_bytes())

    def test_a_model_that_is_gone_is_said(self, work, material):
        from counter.review.overview_trial import try_recording

        (work / "model").rename(work / "elsewhere")
        try:
            with pytest.raises(CallcountError, match="bundle"):
                try_recording(material.results, "x", b"")
        finally:
            (work / "elsewhere").rename(work / "model")


class TestPage:
    @pytest.fixture
    def page(self, material, page_of):
        def app(material):
            from counter.review.overview import show

            show(material)

        return page_of(app, material)

    def test_it_tells_the_figures_and_draws_every_table(self, page):
        page.run()
        assert not page.exception
        told = {figure.label.replace("\\", ""): figure.value for figure in page.metric}
        assert told["calls counted"] == "7"
        assert [one.value for one in page.subheader] == [
            f"Counts by {of}" for of in ("recording", "site", "day", "hour")
        ]
        assert len(page.dataframe) == 4
        assert all(table.proto.HasField("placeholder") for table in page.dataframe)
        assert {table.proto.placeholder for table in page.dataframe} == {""}

    def test_a_site_alone_has_its_own_charts(self, page):
        page.run()
        of_all = [str(one.proto) for one in page.get("vega_lite_chart")]
        assert len(of_all) == 4
        page.selectbox[0].set_value("Valley").run()
        assert not page.exception
        assert [str(one.proto) for one in page.get("vega_lite_chart")] != of_all

    def test_a_damaged_table_is_told_and_the_rest_stays(self, page, work):
        table = work / "r" / "summary_site.csv"
        kept = table.read_text(encoding="utf-8")
        table.write_text(kept.replace("effort_s", "effort"), encoding="utf-8")
        try:
            import streamlit as st

            st.cache_resource.clear()
            page.run()
        finally:
            table.write_text(kept, encoding="utf-8")
        assert not page.exception
        assert "is damaged" in page.error[0].value
