"""Table of mined clips (``mine.csv``), and how a person filled it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from counter.errors import CallcountError
from counter.mining.candidates import NEAR_MISS
from counter.mining.selection import Pick
from counter.plots.clip_plot import TIMES_OF_CLIP, ClipToCheck
from counter.storage.atomic import atomic_text
from counter.tables.csv import (
    MADE_BY,
    FilledRow,
    read_beside,
    read_filled,
    unreadable,
    write_csv,
    write_json,
)
from counter.tables.manifest import plot_names

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
MINE_AGAIN = "Mine again with callcount mine."
_TEXT = """\
How to fill in mine.csv

Each row is a clip: hear it in clips/, see it in spectrograms/. The question is what sounds between
the two lines of the picture, from call_start_s to call_end_s (seconds from the clip's start).
Write under `label`:

    {labels:<24}it is this call
    none                    it is not (`background` means the same)
    unsure                  leave the clip out
    (nothing)               not looked at

The best rows come first; you may stop early.

A call: its times are the model's, and rough. Where they cut it badly, correct call_start_s and
call_end_s; they are taken as its start and end. The picture counts seconds as they do.

No call: where the model found no other call near it, the sound on either side is learned from as
background as well. Write `unsure` if you hear a call there.

Then train as before, with these clips:

    callcount train ... --reviewed {folder}

Other columns: recording, and where in it the clip is (start_s, end_s); candidate, the call that the
model may have heard, with its score (0 to 1); kind: `event` (counted, just above the threshold),
`near miss` (not counted, just below) or `surprise` (counted without doubt, but unlike the others).
mine.json belongs to the table and has to stay beside it.
"""


@dataclass(frozen=True)
class MinedClip:
    """A clip that a person is asked about."""

    # files below the folder
    clip: str
    picture: str
    recording: str  # name of the recording that it was cut out of
    # the clip, seconds from the recording's start
    start_s: float
    end_s: float
    # the candidate, seconds from the clip's start
    call_start_s: float
    call_end_s: float
    # the candidate with the sides that are background too, seconds from the clip's start
    clear_start_s: float
    clear_end_s: float
    candidate: str  # label that the model may have heard
    kind: str  # ``event``, ``near miss`` or ``surprise``
    score: float  # highest smoothed score of the candidate, 0 to 1
    is_counted: bool  # whether the candidate is an event


@dataclass(frozen=True)
class MinePlan:
    """What ``callcount mine`` did."""

    bundle: Mapping[str, str]  # ``name``, ``path`` and ``hash`` of the bundle that was in doubt
    labels: tuple[str, ...]
    # its count error of each label on made recordings, calls a recording, where it says so
    count_error: Mapping[str, float]
    seed: int
    failed: tuple[str, ...]  # recordings that could not be read
    clips: tuple[MinedClip, ...]  # most worth first


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
    with atomic_text(folder / HOW_TO) as file:
        file.write(text)


def _row(one: MinedClip) -> list[object]:
    times_s = (one.start_s, one.end_s, one.call_start_s, one.call_end_s)
    times = [f"{time_s:.3f}" for time_s in times_s]
    files = [one.clip, one.picture, one.recording]
    return [*files, *times, one.candidate, one.kind, f"{one.score:.4f}", ""]


def read_plan(folder: Path) -> MinePlan:
    """Read the plan in a folder.

    Raises
    ------
    CallcountError
        It is not there, or was not made by callcount.
    """
    path = folder / PLAN
    data = read_beside(path, TABLE, MINE_AGAIN)
    try:
        clips = tuple(MinedClip(**one) for one in data.pop("clips"))
        labels, failed = tuple(data.pop("labels")), tuple(data.pop("failed"))
        return MinePlan(**data, labels=labels, failed=failed, clips=clips)
    except (KeyError, TypeError) as error:
        raise unreadable(path, TABLE, error) from error


# What stands under `label` beside the names of labels; lower case.
NO_CALL, UNSURE = ("none", "background"), "unsure"


@dataclass(frozen=True)
class ClipAnswer:
    """What a person said of a clip."""

    mined: MinedClip
    path: Path
    label: str  # name of the call; empty where it is none
    # the call, or the background, seconds from the clip's start
    start_s: float
    end_s: float
    place: str  # ``file, row n``, for messages


@dataclass(frozen=True)
class Review:
    """A table that was filled in, perhaps in part."""

    folder: Path
    plan: MinePlan  # what was asked
    answers: tuple[ClipAnswer, ...]  # in the order of the rows; at least one
    n_unsure: int  # rows to be left out
    n_open: int  # clips without an answer


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
    answers: list[ClipAnswer] = []
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


def _answer(row: FilledRow, mined: MinedClip, folder: Path) -> ClipAnswer:
    path = folder / mined.clip
    if not path.is_file():
        raise CallcountError(
            f"{row.place}: there is no clip {path}.", "Bring it back, or leave its label empty."
        )
    start_s, end_s = _times(row, mined)
    label = row.cells["label"]
    if label.casefold() in NO_CALL:
        label, start_s, end_s = "", mined.clear_start_s, mined.clear_end_s
    return ClipAnswer(mined, path, label, start_s, end_s, row.place)


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


def clip_stem(recording: str) -> str:
    """A recording's name without its ending, safe for a file."""
    bare = recording.removesuffix(PurePosixPath(recording).suffix)
    return plot_names([bare])[bare].removesuffix(".png")


def mined_clip(pick: Pick, stem: str) -> MinedClip:
    """What a person is asked of a pick; its files are called ``stem``."""
    one = pick.candidate
    start_s = round(one.clip_s[0], 3)

    def inside(time_s: float) -> float:
        return round(max(0.0, time_s - start_s), 3)

    return MinedClip(
        clip=f"{CLIPS}/{stem}.flac",
        picture=f"{PICTURES}/{stem}.png",
        recording=one.recording,
        start_s=start_s,
        end_s=round(one.clip_s[1], 3),
        call_start_s=inside(one.span_s[0]),
        call_end_s=inside(one.span_s[1]),
        clear_start_s=inside(one.clear_s[0]),
        clear_end_s=inside(one.clear_s[1]),
        candidate=one.label,
        kind=pick.kind,
        score=round(one.score, 6),
        is_counted=pick.kind != NEAR_MISS,
    )


def mined_cuts(plan: MinePlan, high_hz: float) -> list[ClipToCheck]:
    """The clips to be cut, and their pictures; ``high_hz`` is where the model's band ends."""
    question = "What sounds between the two lines?"
    if len(plan.labels) == 1:
        question = f"Is what sounds between the two lines the call of {plan.labels[0]}?"
    return [
        ClipToCheck(
            recording=one.recording,
            start_s=one.start_s,
            end_s=one.end_s,
            asked_start_s=one.start_s + one.call_start_s,
            asked_end_s=one.start_s + one.call_end_s,
            clip=one.clip,
            picture=one.picture,
            title=f"{number}: {one.recording}, {one.start_s:.1f} to {one.end_s:.1f} s",
            question=question,
            times_of=TIMES_OF_CLIP,
            # The call in the lower half, and what of it lies above the model's band.
            freq_max_hz=2 * high_hz,
        )
        for number, one in enumerate(plan.clips, start=1)
    ]
