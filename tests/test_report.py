"""``callcount report``: one file that tells, shows and plays what was found."""

import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from audio_files import write
from bundles import LABELS_HZ, MODEL_RATE_HZ, TONE_HZ, calls, tone_bundle
from contrasts import contrast
from outcomes import refusal, rows_of
from PIL import Image

from counter.bundle import read_bundle
from counter.cli.main import run
from counter.records import Event
from counter.report.event_media import MediaStyle, Wanted, cut_events
from counter.report.gallery import GalleryChoice, choose_events
from counter.report.report_page import card_html
from counter.tables.results import read_results

EVIL = "<img src=x onerror=alert(1)><script>alert(2)<!-- \"&'.wav"
LARGEST_BYTES = 15_000_000
VOID = {"meta", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self._open = [], [], []
        self.feed(html)
        self.close()
        assert self._open == [], "unclosed elements"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:  # svg's own closed ones and path
            while self._open.pop() != tag:
                pass

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def told(self):
        return " ".join(" ".join(self.text).split())


def read(path):
    html = path.read_text(encoding="utf-8")
    return html, Page(html)


def content(uri):
    kind, _, data = uri.partition(";base64,")
    return kind.removeprefix("data:"), base64.b64decode(data)


def scan(folder, bundle, *more):
    output = folder / "results.csv"
    code = run(
        ["scan", str(folder / "season"), "--model", str(bundle.path), "-o", str(output)]
        + ["--no-plots", *map(str, more)]
    )
    assert code in (0, 1)
    return output


def tones(path, duration_s, starts_s, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, calls(duration_s, starts_s, **how), MODEL_RATE_HZ, subtype="PCM_16")


@pytest.fixture(scope="module")
def season(tmp_path_factory, tone_bundle):
    """A scan of two sites over two days, with a bad name, a silent file and one that fails."""
    folder = tmp_path_factory.mktemp("report")
    sound = folder / "season"
    tones(sound / "Ridge_20240501_050000.wav", 12.0, (2.0, 6.0, 9.0))
    tones(sound / "Ridge_20240502_060000.wav", 8.0, (3.0,))
    tones(sound / "Valley_20240501_180000.wav", 8.0, ())
    tones(sound / EVIL, 8.0, (2.0, 5.0))
    (sound / "Valley_20240502_050000.wav").write_bytes(b"RIFF and no more")
    return scan(folder, tone_bundle, "--report")


@pytest.fixture(scope="module")
def page(season):
    return read(season.with_suffix("") / "report.html")


def test_the_figures_are_those_of_the_tables(season, page):
    html, found = page
    rows = rows_of(season)
    assert sum(int(row["calls"] or 0) for row in rows) == 6
    for told in ("6 calls counted tone", "4 recordings 1 without a call, 1 failed", "2 sites"):
        assert told in found.told
    table = html[html.index('id="recordings-rows"') :]
    assert table[: table.index("</table>")].count("<tr>") == len(rows) + 1
    assert "not sound: no format that can be read" in found.told


def test_hashes_versions_settings_and_rules_are_told(season, page):
    told = page[1].told
    folder = season.with_suffix("")
    for path in (season, folder / "events.csv", folder / "manifest.json"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in told
    for word in ("ai-edge-litert", "min_duration_s", "spreadsheet_safe"):
        assert word in told


def test_a_name_is_text_wherever_it_stands(page):
    html, found = page
    assert found.told.count(EVIL) >= 3  # the table, and a card of each of its events
    assert len(found.all("script")) == 1
    assert all(not name.startswith("on") for _, attrs in found.elements for name in attrs)
    assert "<img src=x" not in html


def test_nothing_can_be_fetched_or_run(page):
    html, found = page
    policy = next(one["content"] for one in found.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'")
    script = html[html.index("<script>") + 8 : html.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    places = [
        attrs[name]
        for _, attrs in found.elements
        for name in ("src", "href", "xlink:href")
        if name in attrs
    ]
    assert len(places) > 10
    assert {place.partition(":")[0] for place in places if place[0] != "#"} == {"data"}


def test_every_picture_and_control_has_a_name(page):
    _, found = page
    assert all(one.get("alt") for one in found.all("img"))
    assert all(one.get("aria-label") for one in found.all("audio"))
    assert all(one.get("aria-label") for one in found.all("svg"))
    assert found.all("html")[0]["lang"] == "en"


def test_sound_and_picture_hold_the_event(page):
    _, found = page
    sounds = [content(one["src"]) for one in found.all("audio")]
    assert len(sounds) == 6
    for kind, data in sounds:
        assert kind == "audio/mpeg"
        sound, rate_hz = sf.read(io.BytesIO(data))
        assert sound.ndim == 1
        assert 2.5 < len(sound) / rate_hz < 4.5  # a call of 1.5 s and a second on either side
        spectrum = np.abs(np.fft.rfft(sound))
        assert spectrum.argmax() * rate_hz / len(sound) == pytest.approx(TONE_HZ, abs=5)
    pictures = [content(one["src"]) for one in found.all("img")]
    shots = [Image.open(io.BytesIO(data)) for kind, data in pictures if kind == "image/webp"]
    assert [shot.size for shot in shots] == [(360, 150)] * 6


def test_heat_maps_tell_what_was_not_listened_to(page):
    _, found = page
    maps = [content(one["href"])[1] for one in found.all("image")]
    assert len(maps) == 3  # all sites, Ridge, Valley
    pixels = np.asarray(Image.open(io.BytesIO(maps[0])))
    assert pixels.shape == (24, 2, 4)
    heard = set(zip(*np.nonzero(pixels[:, :, 3]), strict=True))
    assert heard == {(5, 0), (18, 0), (6, 1)}


def test_sound_that_is_gone_is_said_and_brought_back(tmp_path, tone_bundle, capsys):
    tones(tmp_path / "season" / "a.wav", 8.0, (2.0, 5.0))
    results = scan(tmp_path, tone_bundle)
    (tmp_path / "season").rename(tmp_path / "moved")
    assert run(["report", str(results)]) == 0
    report = tmp_path / "results" / "report.html"
    _, found = read(report)
    assert "nothing can be heard" in found.told
    assert found.all("audio") == []
    assert found.told.count("The recording is not there.") == 2
    assert run(["report", str(results), "--audio", str(tmp_path / "moved")]) == 0
    assert len(read(report)[1].all("audio")) == 2
    (tmp_path / "moved" / "a.wav").write_bytes(b"")
    assert run(["report", str(results), "--audio", str(tmp_path / "moved")]) == 0
    assert "cannot be read" in read(report)[1].told
    assert "2 events have no picture and sound" in capsys.readouterr().err


def test_a_season_without_events_or_starts(tmp_path, tone_bundle):
    tones(tmp_path / "season" / "a.wav", 5.0, ())
    results = scan(tmp_path, tone_bundle)
    assert run(["report", str(results), "-o", str(tmp_path / "new" / "it.html")]) == 0
    _, found = read(tmp_path / "new" / "it.html")
    assert "0 calls counted" in found.told
    assert found.all("audio") == []
    assert 'href="#listen"' not in str(found.all("a"))


def test_a_season_that_failed_and_one_of_an_earlier_callcount(tmp_path, tone_bundle):
    (tmp_path / "season").mkdir()
    (tmp_path / "season" / "a.wav").write_bytes(b"no sound")
    results = scan(tmp_path, tone_bundle)
    folder = tmp_path / "results"
    for of in ("recordings", "summary_site", "summary_day", "summary_hour"):
        (folder / f"{of}.csv").unlink()
    assert run(["report", str(results)]) == 0
    _, found = read(folder / "report.html")
    assert "0 recordings 0 without a call, 1 failed" in found.told
    assert "One recording could not be read and has no count, which is not 0." in found.told


def test_a_name_of_another_encoding_is_shown(tmp_path, tone_bundle):
    made = tones(tmp_path / "season" / "a.wav", 8.0, (2.0,))
    made.rename(made.with_name("\udcff.wav"))
    results = scan(tmp_path, tone_bundle)
    assert run(["report", str(results)]) == 0
    _, found = read(tmp_path / "results" / "report.html")
    assert "\\xff.wav" in found.told
    assert len(found.all("audio")) == 1


def test_a_damaged_table_is_named(tmp_path, tone_bundle, capsys):
    tones(tmp_path / "season" / "a.wav", 8.0, (2.0,))
    results = scan(tmp_path, tone_bundle)
    table = tmp_path / "results" / "summary_day.csv"
    table.write_text(table.read_text().replace(",1,", ",one,"))
    assert run(["report", str(results)]) == 2
    assert "summary_day.csv is damaged" in refusal(capsys)


@pytest.fixture(scope="module")
def two_labels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    bundle = tone_bundle(folder / "model", LABELS_HZ)
    for name, hz in LABELS_HZ.items():
        for number in range(3):
            tones(folder / "season" / f"{name}{number}.wav", 40.0, range(1, 37, 3), hz=hz)
    return scan(folder, bundle)


def test_labels_share_the_gallery(two_labels):
    path = two_labels.parent / "few.html"
    flags = ["--top", "4", "--random", "2", "--near", "0"]
    assert run(["report", str(two_labels), "-o", str(path), *flags]) == 0
    _, found = read(path)
    assert 4 <= len(found.all("audio")) <= 6
    for told in ("low: Highest scores", "high: Highest scores", "low 36, high 36", "Scores of low"):
        assert told in found.told
    assert "Just above" not in found.told


def test_a_label_without_events_takes_no_share(tmp_path, two_labels):
    tones(tmp_path / "season" / "a.wav", 80.0, range(1, 76, 3), hz=LABELS_HZ["high"])
    results = scan(tmp_path, read_bundle(two_labels.parent / "model"))
    (group,) = choose_events(read_results(results), GalleryChoice(0, 8, 0, 0))
    assert (group.label, len(group.rows)) == ("high", 8)


def test_what_is_drawn_depends_on_the_seed_alone(two_labels, capsys):
    results = read_results(two_labels)
    groups = {seed: choose_events(results, GalleryChoice(2, 6, 2, seed)) for seed in (0, 1)}
    assert groups[0] == choose_events(results, GalleryChoice(2, 6, 2, 0))
    drawn = [{row for one in groups[seed] for row in one.rows} for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    top = next(one for one in groups[0] if one.title == "Highest scores")
    of_label = results.event_table.label == results.labels.index(top.label)
    assert results.event_table.score[top.rows[0]] == results.event_table.score[of_label].max()


def test_the_draw_is_that_of_clips(two_labels):
    folder = two_labels.parent
    bundle = folder / "model"
    again = folder / "clips.csv"
    flags = ["--clips", "3", "--clips-by", "random", "--clips-seed", "5", "--no-plots"]
    assert (
        run(["scan", str(folder / "season"), "--model", str(bundle), "-o", str(again), *flags]) == 0
    )
    cut = {
        (row["recording"], float(row["start_s"]))
        for row in rows_of(folder / "clips/clips/clips.csv")
    }
    results = read_results(two_labels)
    groups = choose_events(results, GalleryChoice(0, 6, 0, 5))
    rows = [row for one in groups for row in one.rows]
    table = results.event_table
    assert cut == {
        (results.recordings[table.recording[row]].name, float(table.start_s[row])) for row in rows
    }


def test_a_thousand_events_make_a_small_file(tmp_path, tone_bundle):
    for number in range(10):
        tones(tmp_path / "season" / f"{number}.wav", 260.0, np.arange(1, 256, 2.5), seed=number)
    results = scan(tmp_path, tone_bundle)
    assert sum(int(row["calls"]) for row in rows_of(results)) > 1000
    assert run(["report", str(results)]) == 0
    assert (tmp_path / "results" / "report.html").stat().st_size < LARGEST_BYTES / 3
    flags = ["--top", "150", "--random", "150", "--near", "150"]
    assert run(["report", str(results), *flags]) == 0
    assert (tmp_path / "results" / "report.html").stat().st_size < LARGEST_BYTES


def test_intervals_stand_where_an_estimate_was_made(season, monkeypatch):
    monkeypatch.chdir(season.parent)
    assert run(["sample", str(season), "-n", "40", "--by", "recording"]) == 0
    table = Path("sample/sample.csv")
    rows = table.read_text().splitlines()
    filled = [rows[0]]
    for line in rows[1:]:
        model_calls = line.split(",")[-4]
        filled.append(line + model_calls)
    table.write_text("\n".join(filled) + "\n")
    assert run(["estimate", str(season), str(table)]) == 0
    report = season.parent / "with.html"
    assert run(["report", str(season), "-o", str(report)]) == 0
    _, found = read(report)
    assert re.search(r"6 tone, corrected 95 % interval \d+ to \d+", found.told)
    assert "tone, corrected (95 %)" in found.told
    assert "nobody has checked" not in found.told
    shutil.copytree("sample", "later")  # of two the newer is shown
    later = Path("later/estimate.json")
    later.write_text(later.read_text().replace('"calls": 6', '"calls": 7', 1))
    assert run(["report", str(season), "-o", str(report)]) == 0
    assert "7 tone, corrected" in read(report)[1].told
    later.write_text(later.read_text().replace('"model_calls": 6', '"model_calls": 5', 1))
    assert run(["report", str(season), "-o", str(report)]) == 0
    assert "6 tone, corrected" in read(report)[1].told  # the later one is of other event rules
    other = season.parent / "other.html"
    assert run(["report", str(season), "-o", str(other), "--estimate", "sample/estimate.csv"]) == 0
    assert "corrected" in read(other)[1].told


def test_an_estimate_of_another_scan_is_refused(two_labels, season, tmp_path, capsys):
    made = tmp_path / "estimate.json"
    figures = dict.fromkeys(("calls", "low", "high", "checked", "stretches"), 1)
    told = {"made_by": "callcount", "label": "tone", "by": "site", "strata": {}, "left_out": []}
    told["all"] = {**figures, "model_calls": 900, "too_wide": False}
    made.write_text(json.dumps(told))
    for results, words in ((two_labels, "is about 'tone'"), (season, "is of another scan")):
        assert run(["report", str(results), "--estimate", str(made)]) == 2
        assert words in refusal(capsys)
    assert run(["report", str(season), "--estimate", str(tmp_path / "gone.csv")]) == 2
    assert "there is no estimate at" in refusal(capsys)
    made.write_text("[]")
    assert run(["report", str(season), "--estimate", str(made)]) == 2
    assert "is no estimate of callcount's" in refusal(capsys)


def test_what_is_in_the_way_is_found_before_the_work(tmp_path, season, capsys):
    own = tmp_path / "mine.html"
    own.write_text("<p>mine</p>")
    for path, words in ((own, "was not made by callcount"), (tmp_path / "a.pdf", "does not end")):
        assert run(["report", str(season), "-o", str(path)]) == 2
        assert words in refusal(capsys)
    assert own.read_text() == "<p>mine</p>"
    assert run(["report", str(season), "--audio", str(tmp_path / "gone")]) == 2
    assert "is no folder" in refusal(capsys)
    assert run(["report", str(tmp_path / "gone.csv")]) == 2
    assert "is missing" in refusal(capsys)


def test_a_scan_makes_it_at_once_and_leaves_no_old_one(tmp_path, tone_bundle, capsys):
    tones(tmp_path / "season" / "a.wav", 8.0, (2.0, 5.0))
    report = tmp_path / "results" / "report.html"
    scan(tmp_path, tone_bundle, "--report")
    before = report.stat().st_mtime_ns
    scan(tmp_path, tone_bundle, "--report")
    assert "Nothing to do" in capsys.readouterr().err
    assert report.stat().st_mtime_ns == before
    report.unlink()
    scan(tmp_path, tone_bundle, "--report")
    assert report.is_file()
    scan(tmp_path, tone_bundle)  # counts anew, and a report of what was before would tell other
    assert not report.exists()
    report.write_text("mine")
    scan(tmp_path, tone_bundle, "--threshold", "0.6")
    assert report.read_text() == "mine"
    season = str(tmp_path / "season")
    flags = ["--model", str(tone_bundle.path), "-o", str(tmp_path / "results.csv"), "--report"]
    assert run(["scan", season, *flags]) == 2
    assert "was not made by callcount" in refusal(capsys)


def test_the_card_of_another_model_is_not_shown(tmp_path, capsys):
    bundle = tone_bundle(tmp_path / "model", {"tone": TONE_HZ})
    (bundle.path / "model_card.md").write_text("# Card\n\n<script>x</script> of *tones*\n")
    tones(tmp_path / "season" / "a.wav", 5.0, (2.0,))
    results = scan(tmp_path, bundle, "--report")
    html, found = read(tmp_path / "results" / "report.html")
    assert "<h3>Card</h3>" in html
    assert "<script>x</script> of tones" in found.told
    spec = bundle.path / "bundle.yaml"
    spec.write_text(spec.read_text().replace("name: made", "name: other"))
    assert run(["report", str(results)]) == 0
    assert "is another one by now" in read(tmp_path / "results" / "report.html")[1].told


def test_a_card_holds_no_picture_script_or_link_that_runs():
    html = card_html(
        "![x](http://a/b.png) [y](javascript:alert(1)) <b>z</b>\n\n| a |\n| - |\n| 1 |\n"
    )
    found = Page(html)
    assert {tag for tag, _ in found.elements} <= {
        "p",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
    }
    assert all(not one.get("href", "").startswith("javascript") for one in found.all("a"))
    assert "<td>1</td>" in html


def test_what_nobody_hears_is_slowed_down(tmp_path):
    rate_hz, hz = 256_000, 40_000
    t = np.arange(rate_hz) / rate_hz
    sound = 0.3 * np.sin(2 * np.pi * hz * t) * (abs(t - 0.5) < 0.1)
    path = tmp_path / "bat.wav"
    sf.write(path, sound, rate_hz)
    wanted = Wanted(0, Event("bat", 0.4, 0.6, 0.5, 0.9), 20_000, 60_000)
    look = MediaStyle(size=(360, 150), reach=2.0, effort=4)
    (found,) = cut_events({"bat.wav": [wanted]}, {"bat.wav": path}, look, n_threads=1)
    heard, heard_hz = sf.read(io.BytesIO(found[0].sound))
    assert found[0].slowed == 10
    assert len(heard) / heard_hz == pytest.approx(10 * (found[0].end_s - found[0].start_s), abs=0.2)
    peak_hz = np.abs(np.fft.rfft(heard)).argmax() * heard_hz / len(heard)
    assert peak_hz == pytest.approx(hz / 10, abs=5)


def test_of_a_long_event_what_is_around_its_peak_is_cut():
    event = Event("a", 100.0, 200.0, 190.0, 0.9)
    start_s, end_s = Wanted(0, event, 100, 3000).span_s()
    assert end_s - start_s == pytest.approx(12)
    assert start_s < event.peak_s < end_s


STYLE = (Path(__file__).parents[1] / "counter/report/report.css").read_text()
PAIRS = [
    *[(ink, paper) for ink in ("ink", "soft", "accent") for paper in ("page", "paper")],
    ("ink", "bar"),
    ("warn", "warn-page"),
    ("warn", "page"),
]


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("pair", PAIRS)
def test_text_stands_out_as_wcag_aa_wants(scheme, pair):
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", block))

    def rgb(text):
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        return [int(digits[at : at + 2], 16) for at in (0, 2, 4)]

    assert contrast(*(rgb(colours[name]) for name in pair)) >= 4.5
