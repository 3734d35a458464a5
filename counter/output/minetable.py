"""Clips to label: ``mine.csv`` for the person, how to fill it in, ``mine.json`` for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from counter.errors import CallcountError
from counter.output.filled import FilledRow, read_beside, read_filled, unreadable
from counter.output.own import MADE_BY
from counter.output.paths import atomic_write
from counter.output.writing import write_csv, write_json

TABLE, PLAN, HOW_TO = "mine.csv", "mine.json", "HOW_TO.txt"
CLIPS, PICTURES = "clips", "spectrograms"
COLUMNS = (
    "clip",
    "picture",
    "recording",
    "start_s",
    "end_s",
    "call_start_s",
    "call_end_s",
    "candidate",
    "kind",
    "score",
    "label",
)
# What stands under `label` beside the names of labels; lower case.
NO_CALL, UNSURE = ("none", "background"), "unsure"
_MINE_AGAIN = "Mine again with callcount mine."
_TEXT = """\
How to fill in mine.csv

Each row is a clip: hear it in clips/, see it in spectrograms/. The question is what sounds between
the two lines of the picture, from call_start_s to call_end_s (seconds from the clip's start).
Write under `label`:

    {labels:<24}it is this call
    none                    it is not (`background` means the same)
    unsure                  leave the clip out
    (nothing)               not looked at

The best rows come first; you may stop early. Where it is a call but the times cut it badly, correct
call_start_s and call_end_s: they are taken as the start and the end of the call. Where it is none,
the sound on either side is learned from as background too, up to the next call that the model
found; write `unsure` if you hear another call there.

Then train as before, with these clips:

    callcount train ... --reviewed {folder}

Other columns: recording, and where in it the clip is (start_s, end_s); candidate, the call that the
model may have heard, with its score (0 to 1); kind: `event` (counted, just above the threshold),
`near miss` (not counted, just below) or `surprise` (counted without doubt, but unlike the others).
mine.json belongs to the table and has to stay beside it.
"""


@dataclass(frozen=True)
class MinedClip:
    """A clip that a person is asked about.

    Attributes
    ----------
    clip, picture : str
        Files below the folder.
    recording : str
        Name of the recording that it was cut out of.
    start_s, end_s : float
        The clip, seconds from the recording's start.
    call_start_s, call_end_s : float
        The candidate, seconds from the clip's start.
    clear_start_s, clear_end_s : float
        As much around the candidate as holds no other event, seconds from the clip's start.
    candidate : str
        Label that the model may have heard.
    kind : str
        ``event``, ``near miss`` or ``surprise``.
    score : float
        Highest smoothed score of the candidate, 0 to 1.
    is_counted : bool
        Whether the candidate is an event.
    """

    clip: str
    picture: str
    recording: str
    start_s: float
    end_s: float
    call_start_s: float
    call_end_s: float
    clear_start_s: float
    clear_end_s: float
    candidate: str
    kind: str
    score: float
    is_counted: bool


@dataclass(frozen=True)
class MinePlan:
    """What ``callcount mine`` did.

    Attributes
    ----------
    bundle : mapping of str to str
        ``name``, ``path`` and ``hash`` of the bundle that was in doubt.
    labels : tuple of str
        Its labels.
    seed : int
        Seed of the choice.
    failed : tuple of str
        Recordings that could not be read.
    clips : tuple of MinedClip
        Most worth first.
    """

    bundle: Mapping[str, str]
    labels: tuple[str, ...]
    seed: int
    failed: tuple[str, ...]
    clips: tuple[MinedClip, ...]


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


def write_mined(folder: Path, plan: MinePlan, *, output: Path) -> None:
    """Write table, plan and text into a folder that is there; ``output`` is what it will be called.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    write_csv(folder / TABLE, COLUMNS, (_row(one) for one in plan.clips))
    write_json(folder / PLAN, {"made_by": MADE_BY, **asdict(plan)})
    text = _TEXT.format(labels=", ".join(plan.labels) + " ", folder=output)
    with atomic_write(folder / HOW_TO) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _row(one: MinedClip) -> list[object]:
    times_s = (one.start_s, one.end_s, one.call_start_s, one.call_end_s)
    times = [f"{time_s:.3f}" for time_s in times_s]
    files = [one.clip, one.picture, one.recording]
    return [*files, *times, one.candidate, one.kind, f"{one.score:.4f}", ""]


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
    plan = _read_plan(folder / PLAN)
    asked = {one.clip: one for one in plan.clips}
    answers: list[Answer] = []
    seen: set[str] = set()
    n_unsure = 0
    for row in read_filled(table, ("clip", "call_start_s", "call_end_s", "label"), _MINE_AGAIN):
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


def _read_plan(path: Path) -> MinePlan:
    data = read_beside(path, TABLE, _MINE_AGAIN)
    try:
        clips = tuple(MinedClip(**one) for one in data.pop("clips"))
        labels, failed = tuple(data.pop("labels")), tuple(data.pop("failed"))
        return MinePlan(**data, labels=labels, failed=failed, clips=clips)
    except (KeyError, TypeError) as error:
        raise unreadable(path, TABLE, error) from error


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
