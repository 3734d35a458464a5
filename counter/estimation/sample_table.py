"""Table of a sample to check (``sample.csv``), and its plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError
from counter.estimation.sampling import draw_sample
from counter.estimation.stretches import (
    Stretches,
    choose_label,
    read_stretches,
    strata,
    strata_codes,
)
from counter.tables.csv import (
    MADE_BY,
    FilledRow,
    read_beside,
    read_filled,
    unreadable,
    write_csv,
    write_json,
)
from counter.tables.results import Results

TABLE = "sample.csv"
PLAN = "sample.json"
COLUMNS = (
    "check",
    "recording",
    "start_s",
    "end_s",
    "stratum",
    "inclusion_probability",
    "model_calls",
    "clip",
    "picture",
    "true_calls",
)
# Heard on either side of a stretch: a call of 6 s whose middle is just inside is heard whole.
MARGIN_S = 3.0
_DRAW_AGAIN = "Draw the sample again with callcount sample."


@dataclass(frozen=True)
class PlannedCheck:
    """One stretch to check; see ``estimation.sampling.Sample``."""

    stretch: int
    recording: str
    start_s: float
    end_s: float
    stratum: str
    inclusion_probability: float
    model_calls: int


@dataclass(frozen=True)
class SamplePlan:
    """How a sample was drawn; all that the estimate needs besides the results."""

    bundle_hash: str  # bundle that gave the results
    label: str
    stretch_s: float  # longest stretch, seconds
    seed: int
    by: str  # what the strata are
    stratum_of: Mapping[str, str]  # of every recording
    checks: tuple[PlannedCheck, ...]  # in the order of the table


def clip_name(number: int) -> str:
    """File of a check, counted from 1, below the sample's folder."""
    return f"clips/{number:04d}.flac"


def picture_name(number: int) -> str:
    """Spectrogram of a check, counted from 1, below the sample's folder."""
    return f"spectrograms/{number:04d}.png"


def write_sample(folder: Path, plan: SamplePlan) -> None:
    """Write table and plan into a folder that is there.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    rows = (_row(number, check) for number, check in enumerate(plan.checks, start=1))
    write_csv(folder / TABLE, COLUMNS, rows)
    write_json(folder / PLAN, {"made_by": MADE_BY, **asdict(plan)})


def _row(number: int, check: PlannedCheck) -> list[object]:
    times = [f"{check.start_s:.3f}", f"{check.end_s:.3f}"]
    chance = f"{check.inclusion_probability:.8g}"
    files = [clip_name(number), picture_name(number)]
    return [number, check.recording, *times, check.stratum, chance, check.model_calls, *files, ""]


def read_plan(table: Path) -> SamplePlan:
    """Read the plan beside a table.

    Raises
    ------
    CallcountError
        There is no such table, or no plan of callcount's beside it.
    """
    path = table.parent / PLAN
    if table.is_dir():
        raise CallcountError(f"{table} is a folder.", f"Name the table in it, as {table / TABLE}.")
    if not table.is_file():
        raise CallcountError(f"there is no table of a sample at {table}.", "Check the path.")
    data = read_beside(path, TABLE, _DRAW_AGAIN)
    try:
        checks = tuple(PlannedCheck(**check) for check in data.pop("checks"))
        return SamplePlan(**data, checks=checks)
    except (KeyError, TypeError) as error:
        raise unreadable(path, TABLE, error) from error


def read_true_calls(table: Path, plan: SamplePlan) -> NDArray[np.float64]:
    """Read what a person filled in; commas or semicolons part the columns.

    Rows may be in any order, as a spreadsheet may have sorted them; one that is missing counts as
    not filled in. Gives the calls of each check of the plan, NaN where there is no answer yet.

    Raises
    ------
    CallcountError
        A row is no check of the plan or stands twice, or ``true_calls`` is no whole number.
    """
    counts = np.full(len(plan.checks), np.nan)
    seen: set[int] = set()
    for row in read_filled(table, ("check", "recording", "true_calls"), _DRAW_AGAIN):
        place = _place(row, plan)
        if place in seen:
            raise CallcountError(f"{row.place}: check {place + 1} stands there twice.")
        seen.add(place)
        if answer := row.cells["true_calls"]:
            counts[place] = _count(answer, row.place)
    return counts


def _place(row: FilledRow, plan: SamplePlan) -> int:
    check, recording = row.cells["check"], row.cells["recording"]
    try:
        place = int(check) - 1
    except ValueError:
        place = -1
    written = recording.encode("utf-8", "backslashreplace").decode()
    if not 0 <= place < len(plan.checks) or plan.checks[place].recording.strip() != written:
        raise CallcountError(
            f"{row.place}: check {check!r} of {recording!r} is not of this sample.",
            f"Fill in the {TABLE} that was written with {PLAN}.",
        )
    return place


def _count(answer: str, where: str) -> float:
    try:
        value = float(answer)
    except ValueError:
        value = math.nan
    if not (value >= 0 and value.is_integer()):
        raise CallcountError(
            f"{where}: true_calls {answer!r} is no number of calls.",
            "Write a whole number, 0 or more, or leave it empty.",
        )
    return value


def planned(
    plan: SamplePlan, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Stretch and inclusion probability of each check; ``names`` are those of all stretches.

    Raises
    ------
    CallcountError
        The results hold other stretches than those that the sample was drawn from.
    """
    for check in plan.checks:
        if check.stretch >= len(names) or names[check.stretch] != check.recording:
            raise CallcountError(
                f"the results no longer hold {check.recording} as the sample does.", _DRAW_AGAIN
            )
    index = np.array([check.stretch for check in plan.checks], np.int64)
    chance = np.array([check.inclusion_probability for check in plan.checks], np.float64)
    return index, chance


@dataclass(frozen=True)
class SampleRequest:
    """What sample is wanted."""

    n_checks: int  # stretches to check, >= 1
    by: str  # what the strata are: ``folder``, ``recording`` or a column of a table
    recordings: Path | None  # that table; the scan's own by default
    label: str | None  # what to count; the only label there is by default
    stretch_s: float  # longest stretch, seconds
    seed: int  # of what is drawn by chance


def draw_plan(results: Results, request: SampleRequest) -> SamplePlan:
    """Decide what is to be checked; nothing is read but the results."""
    label = choose_label(results, request.label)
    stretches = read_stretches(results, label, request.stretch_s)
    names = stretches.recording
    stratum_of = strata(results, names, by=request.by, table=request.recordings)
    _, stratum = strata_codes(stretches, stratum_of)
    drawn = draw_sample(stretches.model_count, stratum, request.n_checks, seed=request.seed)
    return SamplePlan(
        bundle_hash=results.facts.bundle["hash"],
        label=label,
        stretch_s=request.stretch_s,
        seed=request.seed,
        by=request.by,
        stratum_of=stratum_of,
        checks=tuple(
            _check(stretches, int(place), float(chance), stratum_of)
            for place, chance in zip(drawn.index, drawn.inclusion, strict=True)
        ),
    )


def _check(
    stretches: Stretches, place: int, chance: float, stratum_of: dict[str, str]
) -> PlannedCheck:
    recording = stretches.recording[place]
    return PlannedCheck(
        stretch=place,
        recording=recording,
        start_s=float(stretches.start_s[place]),
        end_s=float(stretches.end_s[place]),
        stratum=stratum_of[recording],
        inclusion_probability=chance,
        model_calls=int(stretches.model_count[place]),
    )
