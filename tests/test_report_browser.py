"""The report in a real browser, as a reader has it: no network, a keyboard, sound that plays."""

import time
from pathlib import Path

import numpy as np
import pytest
from audio_files import write
from browsers import shot, watched
from bundles import MODEL_RATE_HZ, calls

from counter.bundle import shipped_path
from counter.cli.main import run

OPENS_WITHIN_S = 3.0
LARGEST_BYTES = 15_000_000
FOREST = Path(__file__).resolve().parents[2] / "shared/data/capuchin/Forest Recordings"


def make_season(folder, bundle, n_recordings):
    """A scan of tiny recordings of three sites, eight a day, and its report."""
    sound = folder / "season"
    sound.mkdir()
    rng = np.random.default_rng(0)
    some = [calls(4.0, starts_s, seed=n) for n, starts_s in enumerate(((), (1.0,), (0.3, 2.3)))]
    for number in range(n_recordings):
        site, rest = ("Ridge", "Valley", "Bog")[number % 3], number // 3
        day, hour = np.datetime64("2024-04-01") + rest // 8, 4 + rest % 8
        name = f"{site}_{str(day).replace('-', '')}_{hour:02d}0000.wav"
        write(sound / name, some[rng.integers(3)], MODEL_RATE_HZ, subtype="PCM_16")
    write(sound / "<script>document.title='bad'<!--.wav", some[2], MODEL_RATE_HZ, subtype="PCM_16")
    (sound / "broken.wav").write_bytes(b"no sound")
    flags = ["--model", str(bundle.path), "-o", str(folder / "season24.csv"), "--no-plots"]
    assert run(["scan", str(sound), *flags, "--report"]) == 1
    return folder / "season24" / "report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory, tone_bundle):
    return make_season(tmp_path_factory.mktemp("browser"), tone_bundle, 120)


@pytest.fixture
def opened(browser, report):
    """The report in a window; at the end nothing was complained of and nothing fetched."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    said = []
    page.on("console", lambda message: said.append(message.text))
    with watched(page, report.as_uri()) as asked:
        page.goto(report.as_uri())
        yield page
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def until(page, expression):
    """Wait until it holds; the page's policy forbids the browser to wait for it by itself."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def column(page, table, number):
    """Texts of a column's rows that are shown."""
    return page.locator(f"#{table}-rows tbody tr:visible td:nth-child({number})").all_inner_texts()


def test_a_name_does_not_run(opened):
    assert opened.title() == "tone in season24"
    assert opened.locator("#recordings-rows").get_by_text("<script>").count() == 1


def test_sounds_are_ready_and_as_long_as_said(opened):
    sounds = opened.locator("audio")
    assert sounds.count() > 20
    sounds.first.hover()
    until(opened, "document.querySelector('audio').readyState >= 1")
    assert opened.evaluate("document.querySelectorAll('audio')[5].readyState") == 0
    opened.evaluate("document.querySelectorAll('audio').forEach(a => (a.preload = 'metadata'))")
    until(opened, "[...document.querySelectorAll('audio')].every(a => a.readyState >= 1)")
    lengths_s = opened.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")
    told = opened.locator(".seconds").all_inner_texts()
    for length_s, text in zip(lengths_s, told, strict=True):
        # MP3 comes in frames of 36 or 72 ms, and one or two of them before the sound
        assert length_s == pytest.approx(float(text.removesuffix(" s")), abs=0.2)


def test_a_sound_plays_moves_its_cursor_and_stops_the_other(opened):
    opened.evaluate("document.querySelectorAll('audio').forEach(a => (a.muted = true))")
    opened.evaluate("document.querySelectorAll('audio')[0].play()")
    until(opened, "document.querySelectorAll('audio')[0].currentTime > 0.3")
    at = opened.evaluate("document.querySelector('.card').style.getPropertyValue('--at')")
    assert 0 < float(at) < 1
    opened.evaluate("document.querySelectorAll('audio')[1].play()")
    until(opened, "document.querySelectorAll('audio')[0].paused")


def test_tables_sort_by_number_and_by_keyboard(opened):
    heading = opened.locator("#recordings-rows th button", has_text="calls").first
    heading.focus()
    opened.keyboard.press("Enter")
    assert (
        opened.locator("#recordings-rows th[aria-sort]").get_attribute("aria-sort") == "descending"
    )
    counts = [int(text or -1) for text in column(opened, "recordings", 4)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == -1  # what failed has no number, and comes last
    opened.keyboard.press("Enter")
    assert column(opened, "recordings", 4) == [str(n) if n >= 0 else "" for n in sorted(counts)]


def test_numbers_with_fractions_are_sorted_as_numbers(opened):
    heading = opened.locator("#by-day-rows th button", has_text="calls per hour")
    heading.click()
    rates = [float(text.replace(",", "") or -1) for text in column(opened, "by-day", 5)]
    assert len(set(rates)) > 3
    assert rates == sorted(rates, reverse=True)


def test_tables_are_searched(opened):
    box = opened.locator("#recordings input")
    box.fill("VALLEY")
    assert set(column(opened, "recordings", 2)) == {"Valley"}
    assert opened.locator("#recordings output").inner_text() == "40 of 122 rows"
    box.fill("no such")
    assert column(opened, "recordings", 1) == []
    box.fill("")
    assert len(column(opened, "recordings", 1)) == 122


def test_everything_is_reached_by_keyboard(opened):
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    opened.keyboard.press("Enter")
    reached = set()
    for _ in range(60):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate("document.activeElement.tagName"))
    assert {"BUTTON", "INPUT", "DIV", "AUDIO"} <= reached


def test_print_shows_the_card_and_no_controls(opened):
    opened.emulate_media(media="print")
    assert not opened.locator("audio").first.is_visible()
    assert not opened.locator("nav").is_visible()
    assert len(column(opened, "recordings", 1)) == 100
    assert opened.locator("#recordings .print-only").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_window(browser, report, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page_colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    is_dark = sum(int(part) for part in page_colour.strip("rgb()").split(",")[:3]) < 300
    assert is_dark == (scheme == "dark")
    shot(page, f"report-{width}-{scheme}")
    page.close()


def opens_in_s(browser, report):
    """Until the last table is drawn; the quickest of three, since machines do other things too."""
    took_s = []
    for _ in range(3):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began_s = time.perf_counter()
        page.goto(report.as_uri())
        page.locator("#recordings-rows tr").first.scroll_into_view_if_needed()
        took_s.append(time.perf_counter() - began_s)
        page.close()
    return min(took_s)


@pytest.mark.slow
def test_a_season_of_2000_recordings_opens_quickly(browser, tmp_path, tone_bundle):
    report = make_season(tmp_path, tone_bundle, 2000)
    assert opens_in_s(browser, report) < OPENS_WITHIN_S
    page = browser.new_page()
    page.goto(report.as_uri())
    assert page.locator("#recordings-rows tbody tr").count() == 2002
    page.close()


@pytest.mark.slow
@pytest.mark.skipif(not FOREST.is_dir(), reason=f"needs the recordings in {FOREST}")
def test_the_report_of_the_forest_opens_quickly(browser, tmp_path):
    flags = ["--model", str(shipped_path()), "--no-plots", "--report"]
    assert run(["scan", str(FOREST), "-o", str(tmp_path / "forest.csv"), *flags]) == 0
    report = tmp_path / "forest" / "report.html"
    assert report.stat().st_size < LARGEST_BYTES
    assert opens_in_s(browser, report) < OPENS_WITHIN_S
