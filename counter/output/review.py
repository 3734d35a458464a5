"""The table of mined clips as a person filled it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.errors import CallcountError
from counter.output.filled import FilledRow, read_filled
from counter.output.minetable import (
    HOW_TO,
    MINE_AGAIN,
    PLAN,
    TABLE,
    MinedClip,
    MinePlan,
    read_plan,
)

# What stands under `label` beside the names of labels; lower case.
NO_CALL, UNSURE = ("none", "background"), "unsure"


@dataclass(frozen=True)
class Answer:
    """What a person said of a clip.

    Attributes
    ----------
    mined : MinedClip
        The clip.
    path : Path
        Its file.
    label : str
        Name of the call; empty where it is none.
    start_s, end_s : float
        The call, or the background, seconds from the clip's start.
    place : str
        ``file, row n``, for messages.
    """

    mined: MinedClip
    path: Path
    label: str
    start_s: float
    end_s: float
    place: str


@dataclass(frozen=True)
class Review:
    """A table that was filled in, perhaps in part.

    Attributes
    ----------
    folder : Path
        Where it is.
    plan : MinePlan
        What was asked.
    answers : tuple of Answer
        In the order of the rows; at least one.
    n_unsure : int
        Rows to be left out.
    n_open : int
        Clips without an answer.
    """

    folder: Path
    plan: MinePlan
    answers: tuple[Answer, ...]
    n_unsure: int
    n_open: int


def read_review(folder: Path) -> Review:
    """Read what a person filled in.

    Rows may be in any order; one that is missing counts as not filled in. Numbers may be written
    with a decimal comma. Whether the labels are known is not looked at.

    Raises
    ------
    CallcountError
        There is no table or no plan of callcount's beside it; a row is about no clip of the plan,
        or stands twice; a labelled one has times that are no numbers or outside its clip, or its
        file is gone; no row has a label.
    """
    table = folder / TABLE
    if not table.is_file():
        raise CallcountError(
            f"{folder} holds no {TABLE}.", "Name the folder that callcount mine wrote."
        )
    plan = read_plan(folder)
    asked = {one.clip: one for one in plan.clips}
    answers: list[Answer] = []
    seen: set[str] = set()
    n_unsure = 0
    for row in read_filled(table, ("clip", "call_start_s", "call_end_s", "label"), MINE_AGAIN):
        mined = _asked(row, asked, seen)
        label = row.cells["label"]
        n_unsure += label.casefold() == UNSURE
        if label and label.casefold() != UNSURE:
            answers.append(_answer(row, mined, folder))
    if not answers:
        raise CallcountError(
            f"{table} is not filled in: no row of {len(plan.clips)} says what it is.",
            f"Write under `label` as {folder / HOW_TO} says.",
        )
    n_open = len(plan.clips) - len(answers) - n_unsure
    return Review(folder, plan, tuple(answers), n_unsure, n_open)


def _asked(row: FilledRow, asked: Mapping[str, MinedClip], seen: set[str]) -> MinedClip:
    clip = row.cells["clip"]
    if clip not in asked:
        raise CallcountError(
            f"{row.place}: {clip!r} is no clip of this folder.",
            f"Fill in the {TABLE} that was written with {PLAN}.",
        )
    if clip in seen:
        raise CallcountError(f"{row.place}: {clip} stands there twice.", "Remove one of the rows.")
    seen.add(clip)
    return asked[clip]


def _answer(row: FilledRow, mined: MinedClip, folder: Path) -> Answer:
    path = folder / mined.clip
    if not path.is_file():
        raise CallcountError(
            f"{row.place}: there is no clip {path}.", "Bring it back, or leave its label empty."
        )
    start_s, end_s = _times(row, mined)
    label = row.cells["label"]
    if label.casefold() in NO_CALL:
        label, start_s, end_s = "", mined.clear_start_s, mined.clear_end_s
    return Answer(mined, path, label, start_s, end_s, row.place)


def _times(row: FilledRow, mined: MinedClip) -> Sequence[float]:
    times_s = []
    length_s = mined.end_s - mined.start_s
    for name in ("call_start_s", "call_end_s"):
        try:
            times_s.append(float(row.cells[name].replace(",", ".")))
        except ValueError as error:
            raise CallcountError(
                f"{row.place}: {name} {row.cells[name]!r} is no number.",
                "Write seconds from the clip's start.",
            ) from error
    # NaN fails this too; a clip's length is written with three digits.
    if not 0 <= times_s[0] < times_s[1] <= length_s + 0.0015:
        raise CallcountError(
            f"{row.place}: {times_s[0]:g} to {times_s[1]:g} s is no stretch of its clip, which is "
            f"{length_s:.3f} s long.",
            "Write seconds from the clip's start: start before end, both inside.",
        )
    return times_s
