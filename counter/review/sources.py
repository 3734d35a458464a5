"""Where questions come from: the events of a scan, a sample of it, or clips that were mined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from counter.output.minetable import MinePlan
from counter.output.reading import Results
from counter.output.sampletable import MARGIN_S, SamplePlan, clip_name
from counter.report.season import Place
from counter.review.queue import CLIP, EVENT, STRETCH, Cut, Floats, Items

Places = Mapping[str, Place]


def event_items(results: Results, places: Places) -> Items:
    """Every event of a scan."""
    names = tuple(one.name for one in results.recordings)
    table = results.events
    return Items(
        kind=EVENT,
        recordings=names,
        labels=results.labels,
        recording=table.recording,
        label=table.label,
        start_s=table.start_s,
        end_s=table.end_s,
        peak_s=table.peak_s,
        score=table.score,
        site_of=_sites(names, places),
    )


def stretch_items(plan: SamplePlan, folder: Path, places: Places) -> Items:
    """The stretches of a sample, in its order; what the model found in them is not shown."""
    checks = plan.checks
    return _cut_items(
        STRETCH,
        [(one.recording, plan.label) for one in checks],
        np.array([(one.start_s, one.end_s, np.nan) for one in checks]).reshape(-1, 3),
        [
            Cut(folder / clip_name(number), max(0.0, one.start_s - MARGIN_S))
            for number, one in enumerate(checks, start=1)
        ],
        places,
    )


def clip_items(plan: MinePlan, folder: Path, places: Places) -> Items:
    """The clips that were mined, in their order: most worth first."""
    clips = plan.clips
    return _cut_items(
        CLIP,
        [(one.recording, one.candidate) for one in clips],
        np.array(
            [
                (one.start_s + one.call_start_s, one.start_s + one.call_end_s, one.score)
                for one in clips
            ]
        ).reshape(-1, 3),
        [Cut(folder / one.clip, one.start_s) for one in clips],
        places,
    )


def _cut_items(
    kind: str,
    asked: Sequence[tuple[str, str]],
    numbers: Floats,
    cuts: Sequence[Cut],
    places: Places,
) -> Items:
    """Items of recordings and labels; ``numbers`` are start and end (s) and score, by column."""
    names, recording = np.unique([name for name, _ in asked], return_inverse=True)
    labels, label = np.unique([label for _, label in asked], return_inverse=True)
    start_s, end_s, score = numbers.T
    known = tuple(names.tolist())
    return Items(
        kind=kind,
        recordings=known,
        labels=tuple(labels.tolist()),
        recording=recording.astype(np.int64),
        label=label.astype(np.int64),
        start_s=start_s,
        end_s=end_s,
        peak_s=(start_s + end_s) / 2,
        score=score,
        site_of=_sites(known, places),
        cuts=tuple(cuts),
    )


def _sites(names: Sequence[str], places: Places) -> tuple[str, ...]:
    return tuple(places[name].origin.site if name in places else "" for name in names)
