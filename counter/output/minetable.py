"""Clips to label: ``mine.csv`` for the person, how to fill it in, ``mine.json`` for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from counter.output.filled import read_beside, unreadable
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
        The candidate with the sides that are background too, seconds from the clip's start.
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
    count_error : mapping of str to float
        Its count error of each label on made recordings, calls a recording, where it says so.
    seed : int
        Seed of the choice.
    failed : tuple of str
        Recordings that could not be read.
    clips : tuple of MinedClip
        Most worth first.
    """

    bundle: Mapping[str, str]
    labels: tuple[str, ...]
    count_error: Mapping[str, float]
    seed: int
    failed: tuple[str, ...]
    clips: tuple[MinedClip, ...]


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
