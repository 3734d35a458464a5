"""One picture of the counts of all recordings."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.output.canvas import Box, Canvas, Font, fitted, text_width
from counter.output.layout import WIDTH, round_step
from counter.output.sheet import counted, draw_legend
from counter.output.style import GRID, INK, WARNING, label_ink
from counter.records import FAILED, OK, FileResult

MAX_BARS = 200
_ONE_COLUMN = 60
_TITLE = Font(26, bold=True)
_TEXT = Font(18)
_MARGIN = 24
_TOP = 132
_NOTE_WIDTH = 150


@dataclass(frozen=True)
class _Column:
    """A column of bars: names from ``left``, bars from ``zero``, a call so many pixels wide."""

    left: int
    zero: int
    call_width: float
    row_height: int
    n_rows: int

    def x(self, calls: int) -> int:
        return self.zero + round(calls * self.call_width)


@dataclass
class _Sums:
    """What the title says of all results."""

    n_recordings: int
    n_failed: int
    calls: dict[str, int]


def draw_overview(path: Path, results: Iterable[FileResult], labels: Sequence[str]) -> None:
    """Draw the count of each recording as a bar, in name order, as PNG.

    Failed recordings say so instead. Above 60 recordings the bars stand in two columns; above 200
    those with most calls are drawn, and the title says so.

    Parameters
    ----------
    results : iterable of FileResult
        May be empty; gone through once.
    labels : sequence of str
        Each has its colour in a bar.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    shown, sums = _looked_through(results, labels)
    most = max([result.calls() for result in shown], default=0) or 1
    columns = _columns(shown, most)
    n_rows = columns[0].n_rows
    canvas = Canvas.blank(_TOP + n_rows * columns[0].row_height + _MARGIN, WIDTH)
    _draw_header(canvas, sums, len(shown))
    for number, column in enumerate(columns):
        _draw_axis(canvas, column, most)
        for row, result in enumerate(shown[number * n_rows : (number + 1) * n_rows]):
            _draw_row(canvas, column, _TOP + row * column.row_height, result, labels)
    canvas.save(path)


def _looked_through(
    results: Iterable[FileResult], labels: Sequence[str]
) -> tuple[list[FileResult], _Sums]:
    """The results with most calls in name order, and the sums of all."""
    sums = _Sums(0, 0, dict.fromkeys(labels, 0))

    def counted_in() -> Iterator[FileResult]:
        for result in results:
            sums.n_recordings += 1
            sums.n_failed += result.status == FAILED
            for label in labels:
                sums.calls[label] += result.calls(label)
            yield result

    most = heapq.nsmallest(
        MAX_BARS, counted_in(), key=lambda result: (-result.calls(), result.recording.name)
    )
    return sorted(most, key=lambda result: result.recording.name), sums


def _columns(shown: Sequence[FileResult], most: int) -> list[_Column]:
    n_columns = 1 if len(shown) <= _ONE_COLUMN else 2
    width = (WIDTH - _MARGIN) // n_columns
    longest = max((text_width(_name(result, width), _TEXT) for result in shown), default=0)
    name_width = min(longest, width * 45 // 100)
    bar_width = width - _MARGIN - name_width - 14 - _NOTE_WIDTH
    lefts = [_MARGIN + number * width for number in range(n_columns)]
    row_height = 30 if n_columns == 1 else 25
    n_rows = max(1, -(-len(shown) // n_columns))
    scale = bar_width / most
    return [_Column(left, left + name_width + 14, scale, row_height, n_rows) for left in lefts]


def _name(result: FileResult, width: int) -> str:
    return fitted(result.recording.name, _TEXT, width * 45 // 100)


def _draw_header(canvas: Canvas, sums: _Sums, n_shown: int) -> None:
    n_scanned = sums.n_recordings - sums.n_failed
    title = f"{counted(sum(sums.calls.values()), 'call')} in {counted(n_scanned, 'recording')}"
    title += f", {sums.n_failed} failed" if sums.n_failed else ""
    title += f"; the {n_shown} with most calls" if n_shown < sums.n_recordings else ""
    canvas.text((_MARGIN, 8), title, _TITLE)
    draw_legend(canvas, (_MARGIN, 48), sums.calls)


def _draw_axis(canvas: Canvas, column: _Column, most: int) -> None:
    bottom = _TOP + column.n_rows * column.row_height
    canvas.text((column.zero, _TOP - 56), "calls", _TEXT)
    step = max(1, round(round_step(most, 6)))
    for calls in range(0, most + 1, step):
        x = column.x(calls)
        canvas.text((x, _TOP - 31), str(calls), _TEXT, anchor=0.5)
        canvas.fill(Box(x, _TOP - 6, x + 1, bottom), INK if calls == 0 else GRID)


def _draw_row(
    canvas: Canvas, column: _Column, top: int, result: FileResult, labels: Sequence[str]
) -> None:
    text_top = top + (column.row_height - 22) // 2
    name = fitted(result.recording.name, _TEXT, column.zero - 14 - column.left)
    canvas.text((column.zero - 14, text_top), name, _TEXT, anchor=1.0)
    x = column.zero
    for number in range(len(labels)):
        right = column.x(sum(result.calls(one) for one in labels[: number + 1]))
        canvas.fill(Box(x, top + 4, right, top + column.row_height - 4), label_ink(number))
        x = right
    note = str(result.calls()) if result.status == OK else f"{result.calls()}, {result.status}"
    if result.status == FAILED:
        canvas.fill(Box(x + 1, top + 4, x + 7, top + column.row_height - 4), WARNING)
        x, note = x + 7, result.status
    canvas.text((x + 7, text_top), note, _TEXT)
