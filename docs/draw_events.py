"""Draw ``docs/images/events.png``: the event rules at work on a made score curve.

    python docs/draw_events.py

The curve is made, the events are not: each row below it is what
``counter.events.decoding.spans`` gives with the later rules switched off.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from counter.events.decoding import smooth, spans
from counter.events.rules import EventRules
from counter.plots.style import BLUE, VERMILION
from counter.records import FloatArray
from counter.timebase import Timebase

PICTURE = Path(__file__).parent / "images" / "events.png"
TIMEBASE = Timebase(sample_rate_hz=8000, hop_samples=1024)
DURATION_S = 66.0
RULES = EventRules(
    threshold=0.6,
    release=0.35,
    smooth_s=0.9,
    gap_s=1.2,
    part_s=6.0,
    part_depth=0.7,
    min_duration_s=1.5,
    max_duration_s=12.0,
)
# What switches a rule off.
OFF = {"gap_s": 0.0, "part_s": 3600.0, "min_duration_s": 0.0, "max_duration_s": 86400.0}
STAGES = {"2 run": (), "3 gap": ("gap_s",), "4 part": ("gap_s", "part_s")}
STAGES["5 shortest"] = (*STAGES["4 part"], "min_duration_s")
STAGES["6 longest"] = (*STAGES["5 shortest"], "max_duration_s")
# Start and end in seconds, and score, of the humps that the curve is made of.
HUMPS = (
    (3.0, 5.4, 0.9),
    (5.2, 7.2, 0.55),
    (10.5, 12.5, 0.5),
    (16.0, 18.3, 0.85),
    (19.5, 21.8, 0.8),
    (26.5, 30.3, 0.92),
    (30.1, 31.3, 0.5),
    (31.1, 34.9, 0.95),
    (39.5, 40.4, 0.98),
    (45.0, 61.0, 0.8),
)
NOTES = (
    (4.6, "2 one call: goes on\ndown to release"),
    (11.6, "2 none:\nunder\nthreshold"),
    (18.9, "3 bridged:\npause under gap"),
    (30.7, "4 parted: deep valley\nin a long run"),
    (40.0, "5 dropped:\ntoo short"),
    (53.0, "6 dropped: too long"),
)
INK, FAINT = "#222222", "#999999"


def made_scores() -> FloatArray:
    """Humps with soft edges over a low floor, and noise; shape (n_frames,)."""
    n_frames = TIMEBASE.n_frames(round(DURATION_S * TIMEBASE.sample_rate_hz))
    time_s = (np.arange(n_frames) + 0.5) * TIMEBASE.frame_s
    curve = np.full(n_frames, 0.06)
    for start_s, end_s, height in HUMPS:
        inside = 1 / (1 + np.exp(-(time_s - start_s) / 0.1)) / (1 + np.exp((time_s - end_s) / 0.1))
        curve = np.maximum(curve, height * inside)
    noise = np.random.default_rng(4).normal(0, 0.05, n_frames)
    return np.clip(curve + noise, 0.01, 0.99).astype(np.float32)


def draw_curve(axes: Axes, scores: FloatArray, smoothed: FloatArray) -> None:
    """The scores before and after rule 1, and the two levels of rule 2."""
    time_s = (np.arange(len(scores)) + 0.5) * TIMEBASE.frame_s
    axes.plot(time_s, scores, color=FAINT, linewidth=0.7, label="score")
    axes.plot(time_s, smoothed, color=BLUE, linewidth=1.8, label="1 smoothed score")
    axes.axhline(RULES.threshold, color=VERMILION, linestyle="--", linewidth=1.2, label="threshold")
    axes.axhline(RULES.release, color=VERMILION, linestyle=":", linewidth=1.2, label="release")
    for at_s, text in NOTES:
        axes.text(at_s, 1.04, text, ha="center", va="bottom", fontsize=8.5, color=INK)
    axes.set(ylim=(0, 1.3), ylabel="score (0 to 1)", yticks=[0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9)


def draw_stages(axes: Axes, smoothed: FloatArray) -> None:
    """A row per rule: the events after it."""
    for row, in_force in enumerate(STAGES.values()):
        rules = RULES.changed(**{key: off for key, off in OFF.items() if key not in in_force})
        found = [
            (TIMEBASE.frame_start_s(start), TIMEBASE.frame_start_s(stop))
            for start, stop in spans(smoothed, rules, TIMEBASE)
        ]
        colour = BLUE if row == len(STAGES) - 1 else FAINT
        # some white, so that the two halves of a parted run are told apart
        bars = [(start_s, end_s - start_s) for start_s, end_s in found]
        axes.broken_barh(bars, (row - 0.32, 0.64), color=colour, edgecolor="white", linewidth=2)
        axes.text(DURATION_S + 0.6, row, f"{len(found)}", va="center", fontsize=9, color=INK)
    axes.set(ylim=(len(STAGES) - 0.4, -0.6), xlabel="time (s)", xlim=(0, DURATION_S))
    axes.text(DURATION_S + 0.6, -1, "events", va="center", ha="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(STAGES)), list(STAGES))
    axes.tick_params(axis="y", length=0)


def main() -> None:
    """Draw the picture."""
    figure = Figure(figsize=(10, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    scores = made_scores()
    smoothed = smooth(scores, RULES.smooth_s, TIMEBASE)
    draw_curve(upper, scores, smoothed)
    draw_stages(lower, smoothed)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
