"""Plots: that what stands in the pixels is what was heard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import counter
from counter.plots.canvas import EMPTY, N_SHADES, SCORE, Box, label_ink, palette
from counter.plots.counts_plot import MAX_BARS, draw_overview
from counter.plots.layout import HEADER, PANEL_LEFT, PANEL_WIDTH, WIDTH, layout_for
from counter.plots.recording_plot import PlotSettings, RecordingPlotter
from counter.records import FAILED, OK, TRUNCATED, Event, FileResult, Picture, Recording

BANDS = {"capuchinbird": (500.0, 1500.0), "piha": (2000.0, 4000.0)}
SETTINGS = PlotSettings(BANDS, threshold=0.5, freq_max_hz=8000.0)
ONE_LABEL = PlotSettings({"capuchinbird": (500.0, 1500.0)}, threshold=0.5, freq_max_hz=8000.0)
CALL_S = 4.0
# Of the overview: height of a recording's row, and what is below the last one.
ROW_PX, MARGIN_PX = 30, 24


def recording(
    duration_s: float = 180.0,
    calls: Sequence[tuple[str, float]] = (),
    *,
    name: str = "a.wav",
    n_columns: int = 700,
    labels: Sequence[str] = tuple(BANDS),
    rate_hz: float = 16000.0,
) -> FileResult:
    """Noise with a loud box for each call, its score 0.9 while it lasts and 0.1 otherwise."""
    rng = np.random.default_rng(1)
    n_rows, frame_s = 64, 0.1
    column_s, bin_hz = duration_s / n_columns, rate_hz / 2 / n_rows
    levels = rng.integers(20, 40, (n_columns, n_rows)).astype(np.uint8)
    scores = np.full((int(np.ceil(duration_s / frame_s)), len(labels)), 0.1, np.float32)
    events = []
    for label, start_s in calls:
        end_s = min(start_s + CALL_S, duration_s)
        rows = slice(*(int(edge / bin_hz) for edge in BANDS[label]))
        levels[round(start_s / column_s) : round(end_s / column_s), rows] = 120
        scores[round(start_s / frame_s) : round(end_s / frame_s), labels.index(label)] = 0.9
        events.append(Event(label, start_s, end_s, start_s + 1, 0.9))
    picture = Picture(levels, column_s, bin_hz, scores, frame_s)
    return FileResult(Recording(name, name), OK, "", duration_s, duration_s, tuple(events), picture)


def drawn(result: FileResult, folder: Path, settings: PlotSettings = SETTINGS) -> NDArray[np.uint8]:
    path = folder / "plot.png"
    RecordingPlotter(settings).draw(result, path)
    return pixels_of(path)


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        image.load()
        return np.asarray(image.convert("RGB"))


def is_ink(pixels: NDArray[np.uint8], ink: int) -> NDArray[np.bool_]:
    return np.asarray((pixels == palette()[ink]).all(axis=2))


def inside(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return pixels[box.top : box.bottom, box.left : box.right]


def spans(columns: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of True as (first, one past the last)."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], columns.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]


class TestEvents:
    def test_boxes_stand_at_their_times_and_band(self, tmp_path: Path) -> None:
        starts_s = [10.0, 60.0, 171.5]
        result = recording(180.0, [("capuchinbird", start_s) for start_s in starts_s])
        layout = layout_for(180.0)
        sound = layout.sound(0)
        framed = is_ink(inside(drawn(result, tmp_path), sound), label_ink(0))
        found_s = [
            (left * layout.pixel_s, right * layout.pixel_s)
            for left, right in spans(framed.any(axis=0))
        ]
        expected = [(start_s, start_s + CALL_S) for start_s in starts_s]
        assert np.allclose(found_s, expected, atol=2 * layout.pixel_s)
        [(top, bottom)] = spans(framed.any(axis=1))
        hz_per_pixel = 8000 / sound.height
        assert (sound.height - top) * hz_per_pixel == pytest.approx(1500, abs=hz_per_pixel)
        assert (sound.height - bottom) * hz_per_pixel == pytest.approx(500, abs=hz_per_pixel)

    def test_the_sound_inside_a_box_is_the_call(self, tmp_path: Path) -> None:
        pixels = drawn(recording(180.0, [("capuchinbird", 60.0)]), tmp_path)
        layout = layout_for(180.0)
        x = layout.pixel(0, 62.0)
        call_y = layout.sound(0).bottom - round(1000 / 8000 * layout.sound(0).height)
        assert (pixels[call_y, x] == palette()[N_SHADES - 1]).all()
        assert pixels[call_y, layout.pixel(0, 100.0)].sum() < pixels[call_y, x].sum() / 2

    def test_each_label_has_its_colour(self, tmp_path: Path) -> None:
        result = recording(100.0, [("capuchinbird", 10.0), ("piha", 50.0)])
        layout = layout_for(100.0)
        sound = inside(drawn(result, tmp_path), layout.sound(0))
        for number, start_s in enumerate((10.0, 50.0)):
            [(left, _)] = spans(is_ink(sound, label_ink(number)).any(axis=0))
            assert left * layout.pixel_s == pytest.approx(start_s, abs=2 * layout.pixel_s)

    def test_an_event_across_strips_is_on_both(self, tmp_path: Path) -> None:
        layout = layout_for(600.0)
        result = recording(600.0, [("piha", layout.strip_s - 2)])
        pixels = drawn(result, tmp_path)
        marked = [
            bool(is_ink(inside(pixels, layout.sound(strip)), label_ink(1)).any())
            for strip in range(layout.n_strips)
        ]
        assert marked == [True, True, False, False]

    def test_a_short_event_in_a_long_recording_is_seen(self, tmp_path: Path) -> None:
        pixels = drawn(recording(86400.0, [("piha", 50000.0)], n_columns=5000), tmp_path)
        assert is_ink(pixels[HEADER:], label_ink(1)).sum() > 20

    def test_silence_has_no_boxes(self, tmp_path: Path) -> None:
        pixels = drawn(recording(180.0), tmp_path)
        assert not is_ink(pixels[HEADER:], label_ink(0)).any()


class TestScore:
    def test_the_curve_is_as_high_as_the_score(self, tmp_path: Path) -> None:
        layout = layout_for(180.0)
        result = recording(180.0, [("capuchinbird", 60.0)], labels=["capuchinbird"])
        panel = inside(drawn(result, tmp_path, ONE_LABEL), layout.score(0))
        line = is_ink(panel, SCORE)
        for time_s, score in ((62.0, 0.9), (120.0, 0.1)):
            top = np.flatnonzero(line[:, int(time_s / layout.pixel_s)])[0]
            assert 1 - top / (panel.shape[0] - 1) == pytest.approx(score, abs=0.04)

    @pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
    def test_the_threshold_is_dashed_at_its_height(self, tmp_path: Path, threshold: float) -> None:
        settings = PlotSettings(BANDS, threshold=threshold, freq_max_hz=8000.0)
        panel = inside(drawn(recording(180.0), tmp_path, settings), layout_for(180.0).score(0))
        [row] = np.flatnonzero((panel == 0).all(axis=2).sum(axis=1) > PANEL_WIDTH / 2)
        assert 1 - row / (panel.shape[0] - 1) == pytest.approx(threshold, abs=0.02)

    def test_a_single_high_frame_of_a_day_is_drawn(self, tmp_path: Path) -> None:
        result = recording(86400.0, labels=["capuchinbird"], n_columns=500)
        assert result.picture is not None
        result.picture.scores[600000] = 1.0
        layout = layout_for(86400.0)
        panel = inside(drawn(result, tmp_path, ONE_LABEL), layout.score(16))
        assert is_ink(panel, SCORE)[:3].any()


class TestPicture:
    @pytest.mark.parametrize("duration_s", [0.3, 2.0, 180.0, 600.0, 7200.0])
    def test_size_follows_from_the_layout(self, tmp_path: Path, duration_s: float) -> None:
        pixels = drawn(recording(duration_s), tmp_path)
        assert pixels.shape == (layout_for(duration_s).height, WIDTH, 3)

    def test_grey_where_there_is_no_sound(self, tmp_path: Path) -> None:
        layout = layout_for(40.0)
        panel = is_ink(inside(drawn(recording(40.0), tmp_path), layout.sound(0)), EMPTY)
        [(left, right)] = spans(panel.any(axis=0))
        assert left * layout.pixel_s == pytest.approx(40.0, abs=layout.pixel_s)
        assert right == PANEL_WIDTH
        assert panel[:, left:].all()

    def test_grey_above_half_the_sample_rate(self, tmp_path: Path) -> None:
        layout = layout_for(180.0)
        result = recording(180.0, rate_hz=8000.0)
        panel = is_ink(inside(drawn(result, tmp_path), layout.sound(0)), EMPTY)[:, :1000]
        [(top, bottom)] = spans(panel.all(axis=1))
        assert (top, bottom) == (0, layout.sound(0).height // 2)

    def test_frequencies_above_the_axis_are_cut(self, tmp_path: Path) -> None:
        wide = recording(180.0, [("capuchinbird", 60.0)], rate_hz=32000.0)
        layout = layout_for(180.0)
        pixels = drawn(wide, tmp_path)
        call_y = layout.sound(0).bottom - round(1000 / 8000 * layout.sound(0).height)
        assert (pixels[call_y, layout.pixel(0, 62.0)] == palette()[N_SHADES - 1]).all()

    @pytest.mark.parametrize("n_columns", [50, 1275, 9000])
    def test_any_number_of_columns_shows_a_call_at_its_time(
        self, tmp_path: Path, n_columns: int
    ) -> None:
        layout = layout_for(180.0)
        result = recording(180.0, [("capuchinbird", 72.0)], n_columns=n_columns)
        pixels = inside(drawn(result, tmp_path), layout.sound(0))
        loud = is_ink(pixels, N_SHADES - 1)
        row = loud[pixels.shape[0] - 25]
        found_s = np.flatnonzero(row)[[0, -1]] * layout.pixel_s
        step_s = max(180.0 / n_columns, 4 * layout.pixel_s)
        assert np.allclose(found_s, [72.0, 76.0], atol=step_s)

    def test_a_quiet_recording_is_not_blown_up_to_a_loud_one(self, tmp_path: Path) -> None:
        result = recording(180.0)
        assert result.picture is not None
        result.picture.levels_db[:] = result.picture.levels_db % 4 + 20
        panel = inside(drawn(result, tmp_path), layout_for(180.0).sound(0))
        assert panel[:, : PANEL_WIDTH - 20].max() < palette()[N_SHADES // 3].max()

    def test_what_was_drawn_before_leaves_no_trace(self, tmp_path: Path) -> None:
        plotter = RecordingPlotter(SETTINGS)
        silent = recording(180.0, name="b.wav")
        plotter.draw(recording(180.0, [("piha", 50.0)]), tmp_path / "first.png")
        plotter.draw(silent, tmp_path / "second.png")
        assert (pixels_of(tmp_path / "second.png") == drawn(silent, tmp_path)).all()

    def test_nothing_decoded_gives_empty_panels(self, tmp_path: Path) -> None:
        picture = Picture(
            np.zeros((0, 64), np.uint8), 0.1, 125.0, np.zeros((0, 2), np.float32), 0.1
        )
        nothing = FileResult(Recording("x", "x"), TRUNCATED, "", 5.0, 0.0, (), picture)
        pixels = drawn(nothing, tmp_path)
        assert is_ink(inside(pixels, layout_for(0.0).sound(0)), EMPTY).all()

    def test_a_result_without_picture_is_refused(self, tmp_path: Path) -> None:
        result = FileResult(Recording("x", "gone.wav"), FAILED)
        with pytest.raises(ValueError, match=r"gone\.wav"):
            RecordingPlotter(SETTINGS).draw(result, tmp_path / "p.png")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["鳥/запись\n\t.wav", "n" * 500, "a b " * 80, "\udcff.wav"])
    def test_any_name_leaves_room_for_the_count(self, tmp_path: Path, name: str) -> None:
        title = drawn(recording(10.0, name=name), tmp_path)[:40]
        inked = (title < 128).all(axis=2).any(axis=0)
        assert inked[PANEL_LEFT : PANEL_LEFT + 100].any()
        first_of_count = PANEL_LEFT + PANEL_WIDTH - 98
        assert not inked[first_of_count - 38 : first_of_count - 10].any()
        assert inked[first_of_count:].any()

    def test_many_labels_stay_inside(self, tmp_path: Path) -> None:
        bands = {f"species number {number}": (0.0, 1000.0) for number in range(30)}
        picture = recording(10.0).picture
        assert picture is not None
        scores = np.zeros((100, 30), np.float32)
        many = Picture(picture.levels_db, picture.column_s, 125.0, scores, 0.1)
        result = FileResult(Recording("a", "a"), OK, "", 10.0, 10.0, (), many)
        pixels = drawn(result, tmp_path, PlotSettings(bands, 0.5, 1000.0))
        assert pixels.shape[1] == WIDTH
        assert (pixels[:HEADER, -4:] == 255).all()


class TestThreads:
    def test_drawing_in_threads_changes_nothing(self, tmp_path: Path) -> None:
        results = [
            recording(length_s, [("piha", 1.0)], name=f"{length_s}.wav", n_columns=300)
            for length_s in (5.0, 20.0, 60.0, 100.0, 180.0, 400.0) * 2
        ]
        alone = RecordingPlotter(SETTINGS)
        shared = RecordingPlotter(SETTINGS)
        paths = [(tmp_path / "t" / str(i), tmp_path / "s" / str(i)) for i in range(len(results))]
        for folder in ("t", "s"):
            (tmp_path / folder).mkdir()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(shared.draw, results, [threaded for threaded, _ in paths]))
        for result, (threaded, single) in zip(results, paths, strict=True):
            alone.draw(result, single)
            assert (pixels_of(threaded) == pixels_of(single)).all()

    def test_matplotlib_is_imported_for_pictures_of_the_whole_alone(self, tmp_path: Path) -> None:
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "import test_plots, counter.plots.season_plot\n"
            "assert 'matplotlib' not in sys.modules and 'pandas' not in sys.modules\n"
            "test_plots.drawn(test_plots.recording(5.0), Path(sys.argv[1]))\n"
            "assert 'matplotlib' not in sys.modules and 'pandas' not in sys.modules\n"
            "test_plots.draw_overview(Path(sys.argv[1]) / 'o.png', [], ['a'])\n"
            "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
            "assert not {'pandas', 'scipy', 'tensorflow'} & set(sys.modules)\n"
        )
        here = Path(__file__).parent
        roots = [str(here), str(Path(counter.__file__).parents[1])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
        assert (tmp_path / "plot.png").exists()
        assert (tmp_path / "o.png").exists()

    def test_importing_the_plots_loads_no_library_that_draws(self) -> None:
        rooms = ("season_plot", "counts_plot", "recording_plot", "clip_plot", "evaluation_plot")
        code = f"import sys, {', '.join('counter.plots.' + name for name in rooms)}\n"
        code += "assert not {'PIL', 'matplotlib', 'pandas'} & set(sys.modules)"
        environment = {**os.environ, "PYTHONPATH": str(Path(counter.__file__).parents[1])}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)


class TestLayout:
    @given(st.floats(0, 30 * 86400))
    def test_strips_cover_the_recording(self, duration_s: float) -> None:
        layout = layout_for(duration_s)
        assert 1 <= layout.n_strips <= 30
        assert layout.strip_s * layout.n_strips >= duration_s * 0.98
        assert layout.strip_s * (layout.n_strips - 1) <= duration_s
        ends_s = layout.start_s(layout.n_strips - 1) + PANEL_WIDTH * layout.pixel_s
        assert ends_s >= duration_s * (1 - 1e-9)

    @given(st.floats(0.01, 3 * 86400))
    def test_each_strip_has_a_few_ticks_with_texts_of_their_own(self, duration_s: float) -> None:
        layout = layout_for(duration_s)
        texts = []
        for strip in range(layout.n_strips):
            ticks_s = layout.ticks_s(strip)
            assert 3 <= len(ticks_s) <= 11
            texts.append([layout.time_text(time_s) for time_s in ticks_s])
        assert all(len(set(row)) == len(row) for row in texts)

    @pytest.mark.parametrize(
        ("duration_s", "strip_s", "n_strips"),
        [
            (0, 1, 1),
            (2, 2, 1),
            (180, 180, 1),
            (180.04, 180, 1),
            (190, 120, 2),
            (600, 150, 4),
            (3600, 600, 6),
            (86400, 3600, 24),
            (40 * 86400, 2 * 86400, 20),
        ],
    )
    def test_lengths(self, duration_s: float, strip_s: float, n_strips: int) -> None:
        layout = layout_for(duration_s)
        assert (layout.strip_s, layout.n_strips) == (strip_s, n_strips)

    @pytest.mark.parametrize(
        ("duration_s", "time_s", "text"),
        [(1, 0.5, "0.5"), (180, 120, "120"), (600, 450, "7:30"), (86400, 5400, "1:30")],
    )
    def test_times_are_written_in_the_unit_of_the_axis(
        self, duration_s: float, time_s: float, text: str
    ) -> None:
        assert layout_for(duration_s).time_text(time_s) == text


class TestStyle:
    def test_shades_are_magma(self) -> None:
        magma = pytest.importorskip("matplotlib").colormaps["magma"]
        expected = magma(np.linspace(0, 1, N_SHADES))[:, :3] * 255
        assert np.abs(palette()[:N_SHADES] - expected).max() < 4

    def test_colours_of_labels_come_again(self) -> None:
        inks = [label_ink(number) for number in range(14)]
        assert len(set(inks)) == 7
        assert inks[:7] == inks[7:]


class TestOverview:
    @staticmethod
    def counted(name: str, calls: int, status: str = OK, label: str = "piha") -> FileResult:
        events = tuple(Event(label, i, i + 1, i, 0.9) for i in range(calls))
        return FileResult(Recording(name, name), status, "", 180.0, 180.0, events)

    def rows(self, path: Path, n_rows: int) -> list[NDArray[np.bool_]]:
        """Where the bars of one label are, for each recording from above, one column of them."""
        pixels = pixels_of(path)
        # the first row begins under the axis, the last one ends above the margin
        height = ROW_PX * n_rows
        bottom = pixels.shape[0] - MARGIN_PX
        bar = is_ink(pixels, label_ink(0))[bottom - height : bottom]
        return [bar[top + ROW_PX // 2] for top in range(0, height, ROW_PX)]

    def bars(self, path: Path, n_rows: int) -> list[int]:
        """Widths of the bars from above, 0 without one."""
        return [int(row.sum()) for row in self.rows(path, n_rows)]

    def test_bars_are_as_long_as_the_counts_in_name_order(self, tmp_path: Path) -> None:
        path = tmp_path / "o.png"
        results = [self.counted("c", 8), self.counted("a", 2), self.counted("b", 0)]
        draw_overview(path, results, ["piha"])
        first, second, third = self.bars(path, 3)
        assert second == 0
        assert third == pytest.approx(4 * first, abs=4)
        assert first > 100

    def test_a_failed_recording_is_marked_without_a_bar(self, tmp_path: Path) -> None:
        path = tmp_path / "o.png"
        draw_overview(path, [self.counted("a", 3), self.counted("b", 0, FAILED)], ["piha"])
        pixels = pixels_of(path)
        warning = (pixels == (0xD5, 0x5E, 0x00)).all(axis=2)
        [(top, bottom)] = spans(warning.any(axis=1))
        end = pixels.shape[0] - MARGIN_PX
        assert end - ROW_PX <= top < bottom <= end
        assert self.bars(path, 2)[1] == 0

    def test_labels_are_stacked(self, tmp_path: Path) -> None:
        path = tmp_path / "o.png"
        events = self.counted("a", 3).events + self.counted("a", 1, label="capuchinbird").events
        result = FileResult(Recording("a", "a"), OK, "", 9.0, 9.0, events)
        draw_overview(path, [result], ["piha", "capuchinbird"])
        pixels = pixels_of(path)
        row = pixels[pixels.shape[0] - MARGIN_PX - ROW_PX // 2][None]
        widths = [int(is_ink(row, label_ink(number)).sum()) for number in (0, 1)]
        assert widths[0] == pytest.approx(3 * widths[1], abs=3)

    def test_height_stays_bounded(self, tmp_path: Path) -> None:
        heights = []
        for n_recordings in (1, 60, 61, MAX_BARS, 3 * MAX_BARS):
            path = tmp_path / f"{n_recordings}.png"
            results = [self.counted(f"{i:04d}.wav", i % 7) for i in range(n_recordings)]
            draw_overview(path, results, ["piha"])
            heights.append(pixels_of(path).shape[0])
        assert heights[1] > heights[2]
        assert heights[3] == heights[4]
        assert max(heights) < 3000

    def test_nothing_found_or_nothing_there(self, tmp_path: Path) -> None:
        path = tmp_path / "o.png"
        for results in ([], [self.counted("a", 0)]):
            draw_overview(path, results, ["piha"])
            assert sum(self.bars(path, 1)) == 0
