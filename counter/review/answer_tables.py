"""Tables of answers, for other commands and programs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from counter.errors import CallcountError, OutputError
from counter.estimation import sample_table
from counter.estimation.stretches import files_at
from counter.formats.annotations import CSV_COLUMNS
from counter.formats.writers import raven_table
from counter.mining import mine_table
from counter.mining.candidates import Candidate, Surroundings
from counter.mining.mine_table import NO_CALL, clip_stem, mined_clip, mined_cuts
from counter.mining.selection import Pick
from counter.plots.clip_plot import Progress, cut_clips
from counter.records import Event, FileResult, Recording
from counter.review.answers import NO, UNSURE, YES, Answer, Key, Store
from counter.review.item_media import Band
from counter.review.questions import CLIP, EVENT, Items
from counter.storage.atomic import check_new, new_folder
from counter.tables.csv import read_filled, write_csv
from counter.tables.event_rows import ScanEvents
from counter.tables.results import Results

ANSWERS, TRUTH = "answers.csv", "truth.csv"
CALLS_RAVEN, OTHERS_RAVEN = "calls.raven.txt", "no_calls.raven.txt"
_COLUMNS = (
    "kind",
    "recording",
    "label",
    "start_s",
    "end_s",
    "score",
    "reviewer",
    "answered_at",
    "answer",
    "other_label",
    "true_calls",
    "counts",
)
Final = Mapping[int, Answer]


def final_answers(
    items: Items, newest: Iterable[Answer], reviewer: str | None
) -> dict[int, Answer]:
    """The answer that counts, by row: a person's newest, or without a name that of anybody.

    Parameters
    ----------
    items : Items
        What was asked; answers about anything else are left out.
    newest : iterable of Answer
        In order of time.
    reviewer : str, optional
        Whose answers count.
    """
    found = {}
    for one in newest:
        row = items.row_of(one.key) if reviewer in (None, one.reviewer) else None
        if row is not None:
            found[row] = one
    return found


def n_disputed(newest: Iterable[Answer]) -> int:
    """How many items several persons have given different answers to."""
    texts_of: dict[Key, set[str]] = {}
    for one in newest:
        texts_of.setdefault(one.key, set()).add(one.judgement.text)
    return sum(len(texts) > 1 for texts in texts_of.values())


def write_answers(folder: Path, items: Items, every: Iterable[Answer], final: Final) -> None:
    """Write ``answers.csv``: every answer ever given, in order of time, and which of them count."""
    counting = set(final.values())
    write_csv(
        folder / ANSWERS,
        _COLUMNS,
        (_answer_row(one, items, is_counting=one in counting) for one in every),
    )


def _answer_row(one: Answer, items: Items, *, is_counting: bool) -> list[object]:
    key, judgement, row = one.key, one.judgement, items.row_of(one.key)
    score = None if row is None else items.item(row).score
    return [
        *(key.kind, key.recording, key.label, f"{key.start_ms / 1000:.3f}"),
        *(f"{key.end_ms / 1000:.3f}", None if score is None else f"{score:.4f}"),
        *(one.reviewer, one.answered_at, judgement.verdict, judgement.other_label, judgement.calls),
        int(is_counting),
    ]


def answered_label(answer: Answer) -> str:
    """What sounds there by an answer about an event; empty where it is nobody's call or unsure."""
    judgement = answer.judgement
    return answer.key.label if judgement.verdict == YES else judgement.other_label


def write_calls(folder: Path, results: Results, items: Items, final: Final) -> None:
    """Write ``truth.csv`` for ``callcount evaluate --truth``: calls of the scan's labels."""
    calls = (
        (item.key.recording, f"{item.start_s:.3f}", f"{item.end_s:.3f}", label)
        for row, one in sorted(final.items())
        if (label := answered_label(one)) in results.labels
        for item in [items.item(row)]
    )
    write_csv(folder / TRUTH, (*CSV_COLUMNS, "label"), calls)


def write_raven(
    folder: Path,
    results: Results,
    final: Final,
    about: tuple[Mapping[str, str], Mapping[str, Band]],
) -> None:
    """Write Raven selection tables: what is a call by the answers, and what is none.

    ``about`` is the path of each recording, and the band of each label.
    """
    files, bands = about
    labels = {row: answered_label(one) for row, one in final.items()}
    calls = {row: label for row, label in labels.items() if label}
    none = {row: one.key.label for row, one in final.items() if one.judgement.verdict == NO}
    for name, labels in ((CALLS_RAVEN, calls), (OTHERS_RAVEN, none)):
        some = _results(results, labels, files)
        known = {label: bands[final[row].key.label] for row, label in labels.items()} | dict(bands)
        raven_table(name).write(folder, ScanEvents(some, known))


def _results(
    results: Results, labels: Mapping[int, str], files: Mapping[str, str]
) -> list[FileResult]:
    """Every recording with these events alone, called so."""
    table = results.event_table
    by_recording: dict[int, list[Event]] = {}
    for row, label in sorted(labels.items()):
        event = Event(
            label=label,
            start_s=float(table.start_s[row]),
            end_s=float(table.end_s[row]),
            peak_s=float(table.peak_s[row]),
            score=float(table.score[row]),
        )
        by_recording.setdefault(int(table.recording[row]), []).append(event)
    return [
        FileResult(
            Recording(files.get(one.name, one.name), one.name),
            one.status,
            scanned_s=one.scanned_s,
            events=tuple(by_recording.get(number, ())),
        )
        for number, one in enumerate(results.recordings)
    ]


def fill_table(
    table: Path, to: Path, columns: Sequence[str], filled: Callable[[Mapping[str, str]], str]
) -> None:
    """Copy a table that a person was to fill in, with what was answered in its last column.

    Parameters
    ----------
    table, to : Path
        What ``callcount sample`` or ``mine`` wrote, and what is written.
    columns : sequence of str
        All its columns.
    filled : callable
        What the last one says, of the cells of a row.
    """
    rows = read_filled(table, columns, "Name the table as it was written.")
    lines = ([*(one.cells[name] for name in columns[:-1]), filled(one.cells)] for one in rows)
    write_csv(to, columns, lines)


def stretch_cell(answer: Answer | None, before: str) -> str:
    """``true_calls`` of a stretch; what was written by hand stays where no number was answered."""
    return (
        before if answer is None or answer.judgement.calls is None else str(answer.judgement.calls)
    )


def clip_cell(answer: Answer | None, before: str) -> str:
    """``label`` of a clip, as ``callcount train --reviewed`` reads it; likewise."""
    if answer is None:
        return before
    verdict = answer.judgement.verdict
    return UNSURE if verdict == UNSURE else answered_label(answer) or NO_CALL[0]


# Folder of the clips that training takes.
MINED_FOLDER = "mined"


@dataclass(frozen=True)
class Reviewed:
    """What was asked about a scan, and what was answered.

    Attributes
    ----------
    results : Results
        The scan.
    items : Items
        What was asked.
    store : Store
        The answers.
    table : Path or None
        Table of the sample, or folder of the mined clips; None of events.
    """

    results: Results
    items: Items
    store: Store
    table: Path | None


@dataclass(frozen=True)
class AnswerExport:
    """Where the answers go, whose count (None: the newest of anybody), where recordings are now."""

    output: Path
    reviewer: str | None
    audio: Path | None


def export_answers(
    reviewed: Reviewed, export: AnswerExport, *, progress: Progress = iter
) -> tuple[int, list[str]]:
    """Write the folder, whole or not at all.

    Returns
    -------
    n_answered : int
        Questions with an answer.
    remarks : list of str
        What the folder is for, and what to know before.

    Raises
    ------
    CallcountError
        Nothing was answered, a table or clip is gone, or the folder cannot be made.
    """
    check_new(export.output, "answers")
    items, store = reviewed.items, reviewed.store
    newest = store.newest(items.kind)
    final = final_answers(items, newest, export.reviewer)
    if not final:
        who = f" by {export.reviewer}" if export.reviewer else ""
        known = ", ".join(store.reviewers()) or "nobody"
        raise CallcountError(f"no {items.kind} was answered{who}; there are answers by {known}.")
    write = {EVENT: _write_events, CLIP: _write_mined}.get(items.kind, _write_sample)
    with new_folder(export.output) as made:
        write_answers(made, items, store.every(items.kind), final)
        remarks = write(made, reviewed, final, export, progress)
    if export.reviewer is None and (n_differ := n_disputed(newest)):
        remarks.append(f"reviewers differ about {n_differ}: the newest answer counts (--reviewer)")
    return len(final), remarks


def _write_sample(
    made: Path, reviewed: Reviewed, final: Final, export: AnswerExport, _: Progress
) -> list[str]:
    table = reviewed.table
    assert table is not None
    sample_table.read_true_calls(table, sample_table.read_plan(table))  # every row is of the sample

    def true_calls(cells: Mapping[str, str]) -> str:
        return stretch_cell(final.get(int(cells["check"]) - 1), cells["true_calls"])

    filled = made / sample_table.TABLE
    fill_table(table, filled, sample_table.COLUMNS, true_calls)
    _copy(table.parent / sample_table.PLAN, made / sample_table.PLAN)
    command = f"callcount estimate {reviewed.results.files.results}"
    return [f"to correct the counts: {command} {export.output / sample_table.TABLE}"]


def _write_mined(
    made: Path, reviewed: Reviewed, final: Final, export: AnswerExport, _: Progress
) -> list[str]:
    folder = reviewed.table
    assert folder is not None
    plan = mine_table.read_plan(folder)
    row_of = {one.clip: row for row, one in enumerate(plan.clips)}

    def label(cells: Mapping[str, str]) -> str:
        return clip_cell(final.get(row_of.get(cells["clip"], -1)), cells["label"])

    fill_table(folder / mine_table.TABLE, made / mine_table.TABLE, mine_table.COLUMNS, label)
    for name in (mine_table.PLAN, mine_table.HOW_TO, mine_table.CLIPS, mine_table.PICTURES):
        _copy(folder / name, made / name)
    return [f"to train: callcount train ... --reviewed {export.output}"]


def _copy(there: Path, to: Path) -> None:
    """Copy a file or folder, where it is there: pictures may have been thrown away."""
    try:
        if there.is_dir():
            shutil.copytree(there, to)
        elif there.is_file():
            shutil.copyfile(there, to)
    except (OSError, shutil.Error) as error:
        why = " ".join(str(error).split())
        raise OutputError(f"cannot copy {there}: {why}.") from error


def _write_events(
    made: Path, reviewed: Reviewed, final: Final, export: AnswerExport, progress: Progress
) -> list[str]:
    results = reviewed.results
    files = files_at(results, export.audio)
    write_calls(made, results, reviewed.items, final)
    paths = {name: str(file) for name, file in files.items()}
    write_raven(made, results, final, (paths, results.band_hz))
    to_train = {
        row: one
        for row, one in final.items()
        if one.judgement.verdict == NO or answered_label(one) in results.labels
    }
    there = {row: one for row, one in to_train.items() if one.key.recording in files}
    if there:
        folder = made / MINED_FOLDER
        plan = _write_clips(folder, reviewed, there, output=export.output / MINED_FOLDER)
        high_hz = max(high_hz for _, high_hz in results.band_hz.values())
        cut_clips(folder, mined_cuts(plan, high_hz), files, progress=progress)
    remarks = _remarks(reviewed, final, export.output / TRUTH)
    if len(there) < len(to_train):
        n_gone = len(to_train) - len(there)
        remarks.append(f"{n_gone} clips could not be cut: their recordings are gone (--audio)")
    if there:
        remarks.append(f"to train: callcount train ... --reviewed {export.output / MINED_FOLDER}")
    return remarks


def _write_clips(
    folder: Path, reviewed: Reviewed, kept: Final, *, output: Path
) -> mine_table.MinePlan:
    """Write the table of the events that were answered, as ``callcount mine`` leaves it."""
    results = reviewed.results
    bundle = {key: results.facts.bundle[key] for key in ("name", "path", "hash")}
    clips = tuple(
        mined_clip(Pick(one, EVENT), f"{number:04d}-{clip_stem(one.recording)}")
        for number, one in enumerate(_candidates(reviewed, sorted(kept)), start=1)
    )
    folder.mkdir()
    plan = mine_table.MinePlan(bundle, results.labels, {}, 0, (), clips)
    mine_table.write_mined(folder, plan, output=output)
    answers = {one.clip: kept[row] for one, row in zip(clips, sorted(kept), strict=True)}
    table = folder / mine_table.TABLE
    fill_table(
        table,
        table,
        mine_table.COLUMNS,
        lambda cells: clip_cell(answers[cells["clip"]], cells["label"]),
    )
    return plan


def _candidates(reviewed: Reviewed, rows: list[int]) -> Iterator[Candidate]:
    results, items = reviewed.results, reviewed.items
    for number, of_it in groupby(rows, key=lambda row: int(items.recording[row])):
        scanned_s = results.recordings[number].scanned_s
        surroundings = Surroundings.of(results.events_of(number), scanned_s)
        for item in map(items.item, of_it):
            spans_s = surroundings.around((item.start_s, item.end_s))
            yield Candidate(
                item.key.recording,
                item.key.label,
                *spans_s,
                score=item.score or 0.0,
                # these two matter for a choice, which nobody made here
                doubt=0.0,
                sound=np.zeros(0, np.float32),
            )


def _remarks(reviewed: Reviewed, final: Final, truth: Path) -> list[str]:
    """What is to be known before the answers are taken for the truth."""
    items = reviewed.items
    n_unsure = sum(one.judgement.verdict == UNSURE for one in final.values())
    remarks = [
        f"{truth} holds the calls that the model found, not those it missed: by it, "
        "callcount evaluate tells precision, not recall"
    ]
    n_open = len(items) - len(final)
    if n_open or n_unsure:
        remarks.append(
            f"{n_open} events are not answered and {n_unsure} are unsure: they would be "
            "taken as false"
        )
    return remarks
