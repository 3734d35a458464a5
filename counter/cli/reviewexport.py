"""What ``callcount review --export`` writes: a folder for other commands and programs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.markup import escape

from counter.cli.console import stderr, stdout
from counter.cli.cutting import check_new, cut_clips
from counter.cli.mining import clip_stem, mined_clip, mined_cuts
from counter.cli.seasons import files_at
from counter.errors import CallcountError, OutputError
from counter.folders import new_folder
from counter.mining.candidates import Candidate
from counter.mining.choice import Pick
from counter.mining.surroundings import Surroundings
from counter.output import minetable, sampletable
from counter.output.reading import Results
from counter.report.season import read_bands
from counter.review.export import (
    ANSWERS,
    TRUTH,
    Final,
    clip_cell,
    fill_table,
    final_answers,
    heard_label,
    n_disputed,
    stretch_cell,
    write_answers,
    write_calls,
    write_raven,
)
from counter.review.queue import CLIP, EVENT, Items
from counter.review.store import NO, UNSURE, Store

# Folder of the clips that training takes.
MINED = "mined"


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
class Export:
    """Where the answers go, whose count (None: the newest of anybody), where recordings are now."""

    output: Path
    reviewer: str | None
    audio: Path | None


def export_review(reviewed: Reviewed, export: Export) -> None:
    """Write the folder, whole or not at all, and say what it is for.

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
        remarks = write(made, reviewed, final, export)
    if export.reviewer is None and (n_differ := n_disputed(newest)):
        remarks.append(f"reviewers differ about {n_differ}: the newest answer counts (--reviewer)")
    for remark in remarks:
        stderr().print(f"Note: {escape(remark)}", soft_wrap=True)
    told = f"{len(final)} of {len(items)} answered -> {export.output / ANSWERS}"
    stdout().print(escape(told), soft_wrap=True)


def _write_sample(made: Path, reviewed: Reviewed, final: Final, export: Export) -> list[str]:
    table = reviewed.table
    assert table is not None
    sampletable.read_true_calls(table, sampletable.read_plan(table))  # every row is of the sample

    def true_calls(cells: Mapping[str, str]) -> str:
        return stretch_cell(final.get(int(cells["check"]) - 1), cells["true_calls"])

    filled = made / sampletable.TABLE
    fill_table(table, filled, sampletable.COLUMNS, true_calls)
    _copy(table.parent / sampletable.PLAN, made / sampletable.PLAN)
    command = f"callcount estimate {reviewed.results.files.results}"
    return [f"to correct the counts: {command} {export.output / sampletable.TABLE}"]


def _write_mined(made: Path, reviewed: Reviewed, final: Final, export: Export) -> list[str]:
    folder = reviewed.table
    assert folder is not None
    plan = minetable.read_plan(folder)
    row_of = {one.clip: row for row, one in enumerate(plan.clips)}

    def label(cells: Mapping[str, str]) -> str:
        return clip_cell(final.get(row_of.get(cells["clip"], -1)), cells["label"])

    fill_table(folder / minetable.TABLE, made / minetable.TABLE, minetable.COLUMNS, label)
    for name in (minetable.PLAN, minetable.HOW_TO, minetable.CLIPS, minetable.PICTURES):
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


def _write_events(made: Path, reviewed: Reviewed, final: Final, export: Export) -> list[str]:
    results = reviewed.results
    files = files_at(results, export.audio)
    write_calls(made, results, reviewed.items, final)
    paths = {name: str(file) for name, file in files.items()}
    write_raven(made, results, final, (paths, read_bands(results)))
    to_train = {
        row: one
        for row, one in final.items()
        if one.said.verdict == NO or heard_label(one) in results.labels
    }
    there = {row: one for row, one in to_train.items() if one.key.recording in files}
    if there:
        _cut_mined(made / MINED, reviewed, there, (export.output / MINED, files))
    remarks = _remarks(reviewed, final, export.output / TRUTH)
    if len(there) < len(to_train):
        n_gone = len(to_train) - len(there)
        remarks.append(f"{n_gone} clips could not be cut: their recordings are gone (--audio)")
    if there:
        remarks.append(f"to train: callcount train ... --reviewed {export.output / MINED}")
    return remarks


def _cut_mined(
    folder: Path, reviewed: Reviewed, kept: Final, places: tuple[Path, Mapping[str, str | Path]]
) -> None:
    """Cut the events that were answered, with a table, as ``callcount mine`` leaves them."""
    output, files = places
    results = reviewed.results
    bundle = {key: results.facts.bundle[key] for key in ("name", "path", "hash")}
    clips = tuple(
        mined_clip(Pick(one, EVENT), f"{number:04d}-{clip_stem(one.recording)}")
        for number, one in enumerate(_candidates(reviewed, sorted(kept)), start=1)
    )
    plan = minetable.MinePlan(bundle, results.labels, {}, 0, (), clips)
    folder.mkdir()
    minetable.write_mined(folder, plan, output=output)
    answers = {one.clip: kept[row] for one, row in zip(clips, sorted(kept), strict=True)}
    table = folder / minetable.TABLE
    fill_table(
        table,
        table,
        minetable.COLUMNS,
        lambda cells: clip_cell(answers[cells["clip"]], cells["label"]),
    )
    high_hz = max(high_hz for _, high_hz in read_bands(results).values())
    cut_clips(folder, mined_cuts(plan, high_hz), files)


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
    n_unsure = sum(one.said.verdict == UNSURE for one in final.values())
    told = [
        f"{truth} holds the calls that the model found, not those it missed: by it, "
        "callcount evaluate tells precision, not recall"
    ]
    n_open = len(items) - len(final)
    if n_open or n_unsure:
        told.append(
            f"{n_open} events are not answered and {n_unsure} are unsure: they would be "
            "taken as false"
        )
    return told
