"""The overview of ``callcount review``: its figures, its charts, and a recording tried."""

import re
import shutil
from html import unescape
from urllib.parse import quote

import numpy as np
import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls

from counter.cli.main import run
from counter.errors import CallcountError
from counter.plots.counts_plot import placed_sites
from counter.plots.season_plot import DatedSeason
from counter.report.report_page import page_templates
from counter.report.report_tables import Cell, Heading, HtmlTable
from counter.review.answers import Store
from counter.review.item_media import ReadyMedia
from counter.review.overview_page import MOST_S, Overview, try_recording
from counter.review.pages import review_app
from counter.review.questions import event_items
from counter.review.session import ReviewTask
from counter.tables.results import read_results
from counter.tables.season import hours_of_days

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
def results(work):
    return read_results(work / "r.csv")


@pytest.fixture(scope="module")
def cells(results):
    return hours_of_days(results)


@pytest.fixture(scope="module")
def counts(results):
    return Overview(results).counts()


class TestSums:
    def test_the_figures_are_those_of_the_scan(self, counts):
        values = {fact.name: fact.value for fact in counts.facts}
        assert values["calls counted"] == "7"
        assert values["recordings"] == "5"
        assert values["sites"] == "2"

    def test_hours_hold_every_call_whose_time_is_known(self, results, cells):
        season = DatedSeason.of(cells, results.labels)
        calls, effort_s = season.whole.calls[0], season.whole.effort_s
        assert set(np.flatnonzero(effort_s.sum(axis=1))) == {6}
        assert {one.name: one.calls.sum() for one in season.sites} == {"Ridge": 3, "Valley": 3}
        days = [str(season.calendar.day(column)) for column in range(season.calendar.n_columns)]
        assert dict(zip(days, calls.sum(axis=0), strict=True)) == {"2024-05-01": 1, "2024-05-02": 5}
        assert effort_s.sum() == pytest.approx(48, abs=0.1)

    def test_sites_stand_where_the_table_puts_them(self, results, cells):
        found = {one.name: one for one in placed_sites(cells, results.origins)}
        for site, (latitude, longitude) in SITES.items():
            one = found[site]
            assert (one.latitude, one.longitude) == (latitude, longitude)
            assert one.calls_per_hour == pytest.approx(3 / 24 * 3600, rel=0.01)

    def test_every_table_of_the_report_is_there(self, counts):
        tables = [counts.recordings, *counts.sums]
        assert [table.name for table in tables] == ["recordings", "by-site", "by-day", "by-hour"]

    def test_intervals_stand_where_an_estimate_was_made(self, work, results):
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
            counts = Overview(results).counts()
        finally:
            shutil.rmtree(folder)
        assert any("95 % interval" in fact.remark for fact in counts.facts)
        assert len(counts.corrected_charts) == 1


def test_numbers_of_a_table_are_numbers_and_intervals_are_text():
    columns = [Heading("name", False), Heading("calls", True), Heading("hour", True)]
    columns.append(Heading("corrected", True))
    rows = [
        (Cell("01.wav"), Cell("1,234", 1234.0), Cell("5:00", 5.0), Cell("7 (5 to 9)", 7.0)),
        (Cell("<b>"), Cell("", -1.0), Cell("18:00", 18.0), Cell("", -1.0)),
    ]
    parts = page_templates().get_template("parts.html").module
    html = parts.table(HtmlTable("t", "T", tuple(columns), tuple(rows)))
    cells = re.findall(r'<td(?: class="n")?(?: data-key="(.*?)")?>(?:<bdi>(.*?)</bdi>)?</td>', html)
    keys, texts = zip(*[(key, unescape(text)) for key, text in cells], strict=True)
    assert (texts[0::4], keys[0::4]) == (("01.wav", "<b>"), ("", ""))
    assert float(keys[1]) == 1234
    assert [text == "" for text in texts[1::4]] == [False, True]
    assert [float(key) for key in keys[2::4]] == [5, 18]
    assert texts[3::4] == ("7 (5 to 9)", "")


def copied(sound, folder):
    path = folder / "recording"
    path.write_bytes(sound)
    return path


class TestTrial:
    def test_a_recording_counts_as_the_scan_counts_it(self, work, results, tmp_path):
        path = work / "season" / "Valley" / "20240502_060000.wav"
        found = try_recording(results, "mine", copied(path.read_bytes(), tmp_path))
        names = [one.name for one in results.recordings]
        scanned = results.events_of(names.index("Valley/20240502_060000.wav"))
        starts_s = [one.start_s for one in found.result.events]
        assert starts_s == pytest.approx([one.start_s for one in scanned], abs=0.001)
        assert len(starts_s) == 3
        assert found.plot.startswith(b"\x89PNG")

    @pytest.mark.parametrize("sound", [b"", b"no sound", b"RIFF\x00\x00\x00\x00WAVEfmt "])
    def test_what_is_no_sound_is_refused_in_a_line_that_names_no_folder(
        self, results, sound, tmp_path
    ):
        with pytest.raises(CallcountError, match="cannot be read") as caught:
            try_recording(results, "../x", copied(sound, tmp_path))
        assert "\n" not in str(caught.value)
        assert "/tmp" not in str(caught.value)

    def test_what_is_too_long_is_refused_before_it_is_scanned(self, results, tmp_path):
        long = np.zeros(int((MOST_S + 60) * 1000), np.int16)
        write(tmp_path / "long.wav", long, 1000, subtype="PCM_16")
        with pytest.raises(CallcountError, match="61 min long, more than 60 min"):
            try_recording(results, "long", tmp_path / "long.wav")

    def test_a_model_that_is_gone_is_said(self, work, results, tmp_path):
        (work / "model").rename(work / "elsewhere")
        try:
            with pytest.raises(CallcountError, match="bundle"):
                try_recording(results, "x", copied(b"", tmp_path))
        finally:
            (work / "elsewhere").rename(work / "model")


def nothing_cut(rows):
    return iter([dict.fromkeys(rows, "not cut in this test")])


class TestPage:
    @pytest.fixture
    def page(self, results, visit_of, tmp_path):
        task = ReviewTask(
            items=event_items(results),
            media=ReadyMedia(nothing_cut),
            store=Store(tmp_path / "review.sqlite"),
            labels=results.labels,
            is_free=True,
            bands=results.band_hz,
            origins=results.origins,
        )
        return visit_of(review_app("r", results, task, reviewer="ann", token=""))

    def test_it_tells_the_figures_and_draws_every_table(self, page):
        reply = page.get("/overview")
        assert reply.status == 200
        values = dict(re.findall(r"<li><strong>(\d+)</strong> ([\w ]+)", reply.text))
        assert {name: value for value, name in values.items()}["calls counted"] == "7"
        titles = re.findall(r'<h3 id="[\w-]+-title">(.*?)</h3>', reply.text)
        assert sorted(titles) == [f"Counts by {of}" for of in ("day", "hour", "recording", "site")]
        assert reply.text.count("<table ") == 4
        assert "None" not in re.findall(r"<bdi>(.*?)</bdi>", reply.text)
        assert "></td>" in reply.text  # what has no number is empty

    def test_a_site_alone_has_its_own_charts(self, page):
        of_all = page.get("/overview").text
        assert re.findall(r'<option value="(\d*)">(.*?)<', of_all) == [
            ("", "all sites"),
            ("0", "Ridge"),
            ("1", "Valley"),
        ]
        # by day, by hour, three heat maps, the map of the sites
        assert of_all.count("<figure>") == 6
        alone = page.get("/overview?site=1").text
        assert re.findall(r'<option value="(\d)" selected>(.*?)<', alone) == [("1", "Valley")]
        assert "Most on 2024-05-02: 5 calls in" in of_all
        assert "Most on 2024-05-02: 3 calls in" in alone
        assert alone.count("<figure>") == 4

    @pytest.mark.parametrize("site", ["9", "-1", "x", "1" * 5000, "<b>", "%ff"])
    def test_of_a_site_that_is_not_there_all_are_shown(self, page, site):
        reply = page.get(f"/overview?site={site}")
        assert reply.status == 200
        assert "Most on 2024-05-02: 5 calls in" in reply.text

    def test_a_damaged_table_is_told_and_the_rest_stays(self, page, work):
        table = work / "r" / "summary_site.csv"
        kept = table.read_text(encoding="utf-8")
        table.write_text(kept.replace("effort_s", "effort"), encoding="utf-8")
        try:
            reply = page.get("/overview")
        finally:
            table.write_text(kept, encoding="utf-8")
        assert reply.status == 200
        (trouble,) = re.findall(r'<p class="warning" role="alert">(.*?)</p>', reply.text)
        assert "it has no column effort_s" in trouble
        assert '<a href="try">' in reply.text
        assert "has no column" not in page.get("/overview").text

    def test_a_recording_is_counted_and_what_it_is_called_is_text(self, page, work):
        sound = (work / "season" / "Valley" / "20240502_060000.wav").read_bytes()
        name = "<script>'x'&.wav"
        reply = page.post(f"/try?place=microphone&name={quote(name)}", sound)
        assert (reply.status, "<script" in reply.text) == (200, False)
        assert f"<strong>3</strong> calls in <bdi>{name}</bdi>" in reply.told
        assert 'src="data:image/png;base64,' in reply.text
        assert reply.text.count("<tr>") == 4
        broken = page.post("/try?place=file&name=x", b"no sound")
        assert (broken.status, "cannot be read" in broken.text) == (422, True)
