"""The overview in a real browser: it opens, counts an upload, and hears a microphone."""

import re

import pytest
from audio_files import write
from browsers import chromium, served, shot, sync_api, watched
from bundles import MODEL_RATE_HZ, calls

from counter.cli.main import run

pytest.importorskip("uvicorn", reason="callcount[review] is not installed")

EVIL = "Bog <script>document.title='bad'<!-- ![x](http:⁄⁄example.org⁄y.png)"
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
PATIENCE_MS = 60_000
sync_api.expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def site(tmp_path_factory, tone_bundle):
    """The address of the pages of a small season, served by the command itself."""
    folder = tmp_path_factory.mktemp("served")
    rows = ["folder,site,latitude,longitude"]
    for number, name in enumerate(("Ridge", "Valley", EVIL)):
        rows.append(f'{name},"{name}",{-3.25 + number / 100},{-60.04 + number / 50}')
        for day in range(1, 5):
            path = folder / "season" / name / f"2024050{day}_0{4 + number}0000.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            starts_s = [1.0 + 3 * n for n in range((number + day) % 4)]
            write(path, calls(12.0, starts_s, seed=day), MODEL_RATE_HZ, subtype="PCM_16")
    (folder / "sites.csv").write_text("\n".join(rows), encoding="utf-8")
    flags = ["--sites", str(folder / "sites.csv"), "--model", str(tone_bundle.path), "--no-plots"]
    assert run(["scan", str(folder / "season"), "-o", str(folder / "r.csv"), *flags]) == 0
    with served(folder / "r.csv") as url:
        yield url


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser whose microphone hears two tones, again and again."""
    heard = tmp_path_factory.mktemp("heard") / "tones.wav"
    write(heard, calls(6.0, (0.5, 3.5)), MODEL_RATE_HZ, subtype="PCM_16")
    with chromium(*MICROPHONE, f"--use-file-for-fake-audio-capture={heard}") as started:
        yield started


@pytest.fixture(scope="module")
def opened(browser, site):
    """The overview in one window; at the end nothing was fetched from anywhere else."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 1000}, permissions=["microphone"]
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    with watched(page, site):
        page.goto(f"{site}/overview")
        page.locator(".tiles li").first.wait_for()
        yield page
    context.close()


def keep(page, name):
    """A picture of the whole page, however long, at both widths."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shot(page, f"{name}-{width}")


def told(page, name):
    """The figure that stands under a name."""
    figure = page.locator(".tiles li").filter(has_text=re.compile(rf"^\s*\d+ {re.escape(name)}"))
    return figure.locator("strong").inner_text()


def test_it_opens_with_figures_charts_and_a_map_and_names_are_text(opened):
    assert told(opened, "calls counted") == "18"
    assert told(opened, "recordings") == "12"
    # by day, by hour, heat maps of all and of each site, a map
    sync_api.expect(opened.locator("figure svg")).to_have_count(7)
    by_site = opened.get_by_role("table").filter(has=opened.get_by_text("recordings"))
    sync_api.expect(by_site.locator("tbody tr").last.locator("td").nth(1)).to_have_text("4")
    cells = by_site.locator("td").all_text_contents()
    assert "None" not in cells
    assert "" in cells  # of so short recordings no minute was listened to
    keep(opened, "overview")
    # a table sorts by its numbers
    calls = opened.locator("#recordings-rows th", has_text="calls").first
    place = calls.evaluate("th => th.cellIndex") + 1
    for numbers in ([3, 2, 1, 0], [0, 1, 2, 3]):
        calls.get_by_role("button").click()
        column = opened.locator(f"#recordings-rows td:nth-child({place})").all_text_contents()
        assert [int(one) for one in column] == [n for n in numbers for _ in range(3)]
    site = opened.get_by_role("combobox", name="Site")
    site.select_option(EVIL)
    opened.wait_for_url("**/overview?site=*")
    sync_api.expect(site.locator("option:checked")).to_have_text(EVIL)
    sync_api.expect(opened.locator("figure svg")).to_have_count(4)
    assert opened.title() != "bad"


def test_an_upload_is_counted_and_a_broken_one_told(opened, tmp_path):
    sound = write(tmp_path / "mine_*x*.wav", calls(9.0, (1.0, 5.0)), MODEL_RATE_HZ)
    opened.get_by_role("link", name="Try the model").click()
    given = opened.locator("input[type=file]")
    given.set_input_files(sound)
    opened.get_by_text("calls in mine_*x*.wav").wait_for()
    assert told(opened, "calls in mine_*x*.wav") == "2"
    opened.locator("#file img").wait_for()
    opened.locator("#file audio").wait_for()
    keep(opened, "overview-upload")
    (tmp_path / "broken.wav").write_text("no sound")
    given.set_input_files(tmp_path / "broken.wav")
    opened.get_by_text("the recording cannot be read").wait_for()


def test_a_microphone_is_heard(opened):
    opened.get_by_role("link", name="Try the model").click()
    opened.get_by_role("button", name="Record", exact=True).click()
    opened.wait_for_timeout(4500)
    opened.get_by_role("button", name="Stop recording").click()
    opened.get_by_text("calls in microphone").wait_for()
    assert 1 <= int(told(opened, "calls in microphone")) <= 3
    opened.locator("#microphone img").wait_for()
    keep(opened, "overview-microphone")
