"""Answers for other commands and programs: as tables that these read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from counter.calltables import CSV_COLUMNS
from counter.output.eventrows import ScanEvents
from counter.output.filled import read_filled
from counter.output.formats import raven_table
from counter.output.reading import Results
from counter.output.review import NO_CALL, UNSURE
from counter.output.writing import write_csv
from counter.records import Event, FileResult, Recording
from counter.review.material import Band
from counter.review.queue import Items
from counter.review.store import NO, YES, Answer, Key

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
    said: dict[Key, set[str]] = {}
    for one in newest:
        said.setdefault(one.key, set()).add(one.said.text)
    return sum(len(texts) > 1 for texts in said.values())


def write_answers(folder: Path, items: Items, every: Iterable[Answer], final: Final) -> None:
    """Write ``answers.csv``: every answer ever given, in order of time, and which of them count."""
    counting = set(final.values())
    write_csv(
        folder / ANSWERS,
        _COLUMNS,
        (_answer_row(one, items, is_counting=one in counting) for one in every),
    )


def _answer_row(one: Answer, items: Items, *, is_counting: bool) -> list[object]:
    key, said, row = one.key, one.said, items.row_of(one.key)
    score = None if row is None else items.item(row).score
    return [
        *(key.kind, key.recording, key.label, f"{key.start_ms / 1000:.3f}"),
        *(f"{key.end_ms / 1000:.3f}", None if score is None else f"{score:.4f}"),
        *(one.reviewer, one.answered_at, said.verdict, said.other_label, said.calls),
        int(is_counting),
    ]


def heard_label(answer: Answer) -> str:
    """What sounds there by an answer about an event; empty where it is nobody's call or unsure."""
    said = answer.said
    return answer.key.label if said.verdict == YES else said.other_label


def write_calls(folder: Path, results: Results, items: Items, final: Final) -> None:
    """Write ``truth.csv`` for ``callcount evaluate --truth``: calls of the scan's labels."""
    calls = (
        (item.key.recording, f"{item.start_s:.3f}", f"{item.end_s:.3f}", label)
        for row, one in sorted(final.items())
        if (label := heard_label(one)) in results.labels
        for item in [items.item(row)]
    )
    write_csv(folder / TRUTH, (*CSV_COLUMNS, "label"), calls)


def write_raven(
    folder: Path,
    results: Results,
    final: Final,
    about: tuple[Mapping[str, str], Mapping[str, Band]],
) -> None:
    """Write Raven selection tables: what was heard to be a call, and what was heard to be none.

    ``about`` is the path of each recording, and the band of each label.
    """
    files, bands = about
    heard = {row: heard_label(one) for row, one in final.items()}
    calls = {row: label for row, label in heard.items() if label}
    none = {row: one.key.label for row, one in final.items() if one.said.verdict == NO}
    for name, labels in ((CALLS_RAVEN, calls), (OTHERS_RAVEN, none)):
        some = _results(results, labels, files)
        known = {label: bands[final[row].key.label] for row, label in labels.items()} | dict(bands)
        raven_table(name).write(folder, ScanEvents(some, known))


def _results(
    results: Results, labels: Mapping[int, str], files: Mapping[str, str]
) -> list[FileResult]:
    """Every recording with these events alone, called so."""
    table = results.events
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
    return before if answer is None or answer.said.calls is None else str(answer.said.calls)


def clip_cell(answer: Answer | None, before: str) -> str:
    """``label`` of a clip, as ``callcount train --reviewed`` reads it; likewise."""
    if answer is None:
        return before
    verdict = answer.said.verdict
    return UNSURE if verdict == UNSURE else heard_label(answer) or NO_CALL[0]
