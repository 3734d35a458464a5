"""The R code of the pages, run by R on a scan over a change of the clock."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls

import counter

ROOT = Path(__file__).resolve().parents[1]
R = shutil.which("Rscript")
PAGES = (ROOT / "README.md", ROOT / "docs" / "how-to" / "tables.md")
# Three calls in the night that the clock is put forward, one of them after it; one by day.
STARTS_S = {
    "Ridge_20240331_015955.wav": (1.0, 6.0),
    "Ridge_20240331_030100.wav": (1.0,),
    "Valley_20240330_120000.wav": (3.0,),
    "Valley_20240330_130000.wav": (),
}
SHOWN = """
cat("\\n", sprintf("%.3f", as.numeric(events$start)), "\\n")
cat(sprintf("%s %g %.3f", by_site$site, by_site$calls, by_site$calls_per_hour), sep = "\\n")
"""

pytestmark = [
    pytest.mark.skipif(R is None, reason="R is not installed (r-base-core)"),
    pytest.mark.skipif(not PAGES[1].is_file(), reason="installed without the repository"),
]


@pytest.fixture
def season(tmp_path, tone_bundle):
    (tmp_path / "season").mkdir()
    for name, starts_s in STARTS_S.items():
        write(tmp_path / "season" / name, calls(9.0, starts_s), MODEL_RATE_HZ)
    (tmp_path / "season" / "Valley_20240330_140000.wav").write_bytes(b"no sound")
    settings = {"model": tone_bundle.path, "timezone": "Europe/Paris", "plots": False}
    output = tmp_path / "season2024.csv"
    for _ in counter.scan_folder(tmp_path / "season", output=output, **settings):
        pass
    return tmp_path


def run_r(folder, code):
    # in a time zone of its own, in which 02:30 of that night is missing as well
    done = subprocess.run(
        [R, "--vanilla", "-e", code],
        cwd=folder,
        env={"PATH": str(Path(R).parent) + ":/usr/bin:/bin", "TZ": "Europe/Paris"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_r_reads_what_the_page_says(season, page):
    blocks = re.findall(r"```r\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    said = run_r(season, "\n".join(blocks) + SHOWN).splitlines()
    expected = counter.read_results(season / "season2024.csv").events["start_utc"]
    assert len(expected) == 4
    starts = sorted(float(one) for one in said[-3].split())
    assert starts == pytest.approx(sorted(one.timestamp() for one in expected), abs=0.001)
    assert said[-2:] == ["Ridge 3 600.000", "Valley 1 200.000"]


def test_r_reads_a_season_without_any_call_or_time(season):
    for path in season.glob("season/*_2024*.wav"):
        path.unlink()
    write(season / "season" / "a.wav", calls(9.0, ()), MODEL_RATE_HZ)
    for _ in counter.scan_folder(season / "season", output=season / "season2024.csv", plots=False):
        pass
    (block,) = re.findall(r"```r\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    reading = "\n".join(line for line in block.splitlines() if not line.startswith("by_site"))
    assert run_r(season, reading + "\ncat(nrow(events), recordings$calls)").endswith("0 0")
