"""From checked stretches to a bundle that gives probabilities."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from counter.bundle import SPEC_FILE, check_replaceable, read_bundle, write_bundle
from counter.cli.console import stdout
from counter.errors import CallcountError
from counter.estimation.calibration import Reliability, cross_fitted, fit, reliability
from counter.estimation.estimators import Checks
from counter.estimation.units import Stretches
from counter.output.reading import Results

_PICTURE = "reliability.png"


def run_calibration(
    new: Path, *, results: Results, label: str, checked: tuple[Stretches, Checks]
) -> None:
    """Fit scores to probabilities on the events of checked stretches; write the bundle copy.

    Raises
    ------
    CallcountError
        The bundle of the scan is gone or changed, or the events are all calls or all not.
    """
    old = read_bundle(Path(results.facts.bundle["path"]))
    if old.sha256 != results.facts.bundle["hash"]:
        raise CallcountError(
            f"{old.path} is no longer the bundle of this scan.", "Scan again, or bring it back."
        )
    check_replaceable(new, SPEC_FILE)
    if new.resolve() == old.path.resolve():
        raise CallcountError(f"{new} is the bundle itself.", "Name a new folder.")
    scores, is_call, weights, group = _verified(results, label, checked)
    fitted = fit(scores, is_call, weights)
    tested = reliability(cross_fitted(scores, is_call, weights, group), is_call, weights)
    spec = old.spec.model_dump(mode="json", exclude={"format", "model_sha256"})
    spec["calibration"] = {**spec["calibration"], label: asdict(fitted)}
    told = {"events": len(scores), "calls": int(is_call.sum()), "method": fitted.method}
    told |= {"brier": tested.brier, "expected_calibration_error": tested.error}
    provenance: dict[str, Any] = {**spec["provenance"], "calibrated_from": old.sha256}
    spec["provenance"] = {**provenance, "calibration": {label: told}}
    others = [path for path in old.path.iterdir() if path.is_file() and path.name != SPEC_FILE]
    files = {path.name: path.read_bytes() for path in others}
    write_bundle(new, spec, files)
    _draw(new / _PICTURE, tested)
    stdout().print(
        f"Calibrated ({fitted.method}) on {told['events']} verified events, {told['calls']} of "
        f"them calls; on events left out of the fit: Brier score {tested.brier:.3f}, calibration "
        f"error {tested.error:.3f} -> {escape(str(new))}"
    )


Columns = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]


def _verified(results: Results, label: str, checked: tuple[Stretches, Checks]) -> Columns:
    """Score, whether a call, weight and recording of each event in the checked stretches.

    A person counted calls, not events: where fewer were counted than the model found, the ones
    of highest score are taken as the calls.
    """
    stretches, checks = checked
    number = {one.name: place for place, one in enumerate(results.recordings)}
    rows: list[tuple[float, bool, float, int]] = []
    filled = ~np.isnan(checks.true_calls)
    columns = (checks.index[filled], checks.inclusion[filled], checks.true_calls[filled])
    for place, chance, calls in zip(*columns, strict=True):
        if not stretches.model_count[place]:
            continue
        recording = number[stretches.recording[place]]
        scores = _scores(results, label, recording, (stretches, int(place)))
        rows += [(score, rank < calls, 1 / chance, recording) for rank, score in enumerate(scores)]
    scores, is_call, weights, group = np.array(rows, np.float64).reshape(-1, 4).T
    return scores, is_call > 0, weights, group.astype(np.int64)


def _scores(
    results: Results, label: str, recording: int, stretch: tuple[Stretches, int]
) -> list[float]:
    """Scores of the events whose middle lies in a stretch, highest first."""
    stretches, place = stretch
    first, stop = stretches.start_s[place], stretches.end_s[place]
    inside = [
        event.score
        for event in results.events_of(recording)
        if event.label == label and first <= (event.start_s + event.end_s) / 2 < stop
    ]
    return sorted(inside, reverse=True)


def _draw(path: Path, tested: Reliability) -> None:
    from counter.output.reliability import draw_reliability

    draw_reliability(path, tested)
